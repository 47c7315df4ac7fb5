"""Flash sales in the back office: drafting, each deed, and the console."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from orders.services.shelf import receive_stock
from shop.flash_sales import selling
from shop.flash_sales.models import FlashSale, SaleItem, SaleSample
from shop.flash_sales.sampling import figures_of, take_sample
from shop.flash_sales.states import SaleStatus
from shop.flash_sales.tickets import return_ticket, write_ticket
from tests.integration.back_office_sales import draft_sale, open_sale, reread
from tests.integration.desk import document, filled, plain_files, press, staff, text
from tests.integration.sales import gated
from tests.integration.shopping import units

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _plain_files(settings: LazySettings, tmp_path: Path) -> None:
    plain_files(settings, tmp_path)


@pytest.fixture
def manager() -> Client:
    return staff("manager")


def url(name: str, sale_id: int) -> str:
    return reverse(f"admin:flash_sales_flashsale_{name}", args=[sale_id])


def figure(page: Any, name: str, attribute: str = "data-figure") -> str:
    (found,) = document(page).xpath(f"//*[@{attribute}='{name}']")
    return " ".join(str(found.text_content()).split())


def draft_form(**changes: str) -> dict[str, str]:
    return {
        "slug": "winter",
        "title": "Winter sale",
        "intro": "",
        "starts_at_0": "2031-01-01",
        "starts_at_1": "12:00:00",
        "ends_at_0": "2031-01-01",
        "ends_at_1": "13:00:00",
        "limit_per_person": "2",
        "hold_seconds": "120",
        "admission_per_second": "30",
        "on_lost_gate": "pause",
        "challenge_work": "0",
        "items-TOTAL_FORMS": "0",
        "items-INITIAL_FORMS": "0",
    } | changes


# -- a draft ---------------------------------------------------------------------


def test_a_sale_is_drafted_and_its_draft_is_changed(manager: Client) -> None:
    added = manager.post(reverse("admin:flash_sales_flashsale_add"), draft_form())

    sale = FlashSale.objects.get(slug="winter")
    assert added.status_code == 302
    assert (sale.status, sale.limit_per_person, sale.hold_seconds) == ("draft", 2, 120)

    manager.post(url("change", sale.pk), draft_form(title="Sale of winter"))

    assert reread(sale).title == "Sale of winter"
    assert [one.kind for one in sale.timeline.all()] == ["created", "changed"]
    assert {one.actor for one in sale.timeline.all()} == {"staff manager"}


def test_a_sale_that_would_end_before_it_starts_is_refused_with_the_reason(manager: Client) -> None:
    wrong = draft_form(ends_at_1="11:00:00")

    page = manager.post(reverse("admin:flash_sales_flashsale_add"), wrong, follow=True)

    assert "must end after it starts" in text(page)
    assert not FlashSale.objects.exists()


def test_what_people_have_seen_is_not_edited_any_more(manager: Client) -> None:
    sale = open_sale().sale

    page = manager.post(url("change", sale.pk), draft_form(slug=sale.slug, title="Other"))

    assert page.status_code == 403
    assert reread(sale).title == "Autumn sale"


# -- deeds -----------------------------------------------------------------------


def test_an_item_takes_its_units_out_of_what_can_be_sold(manager: Client) -> None:
    receive_stock("TEA-CUP", 12, "test")
    sale = draft_sale().sale

    page = press(
        manager,
        url("add-item", sale.pk),
        sku="TEA-CUP",
        title="Cup",
        price="12.34",
        units="10",
    )

    assert "10 × TEA-CUP are set aside" in text(page)
    assert SaleItem.objects.get(sku="TEA-CUP").price_cents == 1_234
    assert units("TEA-CUP") == (12, 10)


def test_more_units_than_are_free_are_refused_and_nothing_is_changed(manager: Client) -> None:
    receive_stock("TEA-CUP", 3, "test")
    sale = draft_sale().sale

    page = press(
        manager, url("add-item", sale.pk), sku="TEA-CUP", title="Cup", price="1", units="4"
    )

    assert page.status_code == 409
    assert "only 3 are free" in text(page)
    assert units("TEA-CUP") == (3, 0)
    assert not SaleItem.objects.filter(sku="TEA-CUP").exists()


def test_the_form_that_adds_units_adds_once_however_often_it_is_sent(manager: Client) -> None:
    item = draft_sale(5)
    page = url("add-units", item.sale_id)
    form = filled(manager.get(page), item=f"{item.pk}:5", quantity="2")

    first, second = (manager.post(page, form) for _ in range(2))

    assert (first.status_code, second.status_code) == (303, 422)
    assert "other units than when this page was drawn" in text(second)
    assert SaleItem.objects.get(pk=item.pk).units == 7


def test_a_sale_is_announced_paused_resumed_slowed_down_and_ended(manager: Client) -> None:
    item = draft_sale(5)
    sale = item.sale

    press(manager, url("announce", sale.pk), sure="on")
    assert reread(sale).status == SaleStatus.ANNOUNCED
    press(manager, url("pause", sale.pk), reason="The bank is slow.")
    assert (reread(sale).status, reread(sale).pause_reason) == ("paused", "The bank is slow.")
    press(manager, url("resume", sale.pk))
    press(manager, url("rate", sale.pk), per_second="7")
    assert (reread(sale).status, reread(sale).admission_per_second) == ("announced", 7)
    page = press(manager, url("end", sale.pk), sure="on")

    assert reread(sale).status == SaleStatus.ENDED
    assert units(item.sku)[1] == 0
    assert "5 × SALE-MUG went back to stock." in text(page)


def test_a_sale_is_not_ended_by_a_press_without_the_tick(manager: Client) -> None:
    sale = open_sale().sale

    page = manager.post(url("end", sale.pk), {})

    assert page.status_code == 422
    assert reread(sale).status == SaleStatus.ANNOUNCED


def test_a_deed_that_is_not_possible_now_is_refused_with_the_reason(manager: Client) -> None:
    sale = draft_sale().sale

    asked = manager.get(url("resume", sale.pk), follow=True)
    pressed = manager.post(url("pause", sale.pk), {"reason": "Because."})

    assert "The sale is draft: not possible now." in text(asked)
    assert pressed.status_code == 409
    assert "it cannot become paused" in text(pressed)


def test_resuming_a_draft_does_not_announce_it(manager: Client) -> None:
    sale = draft_sale().sale

    pressed = manager.post(url("resume", sale.pk), {})

    assert pressed.status_code == 409
    assert "it cannot become announced" in text(pressed)
    assert reread(sale).status == SaleStatus.DRAFT


# -- the console -----------------------------------------------------------------


def test_the_console_shows_units_line_and_tickets_as_they_are(manager: Client) -> None:
    item = open_sale(3)
    with gated(item) as gate:
        for person in ("visitor:a", "visitor:b"):
            grant = gate.click(person)
            write_ticket(item, person=person, nonce=grant.nonce, place=grant.place)
            assert gate.written(person, grant.nonce)
        given_back = item.tickets.get(person="visitor:b")
        return_ticket(given_back, "test")
        gate.end_ticket("visitor:b", given_back.nonce, sold=False)

        page = manager.get(url("live", item.sale_id))

    shown = {name: figure(page, name) for name in ("free", "held", "sold", "line")}
    assert shown == {"free": "2", "held": "1", "sold": "0", "line": "0"}
    assert figure(page, "held for a person", "data-tickets") == "1"
    assert figure(page, "given back", "data-tickets") == "1"
    assert "believes in" not in text(page)


def test_a_gate_that_believes_in_too_much_or_is_lost_is_told(manager: Client) -> None:
    item = open_sale(3)

    lost = text(manager.get(url("live", item.sale_id)))
    with gated(item, free=5):
        ahead = text(manager.get(url("live", item.sale_id)))

    assert "The gate of SALE-MUG is not built." in lost
    assert "believes in 2 units more than the database has" in ahead


def test_the_console_works_without_the_gates_redis(manager: Client, settings: LazySettings) -> None:
    sale = open_sale(3).sale
    settings.GATE_URL = "redis://127.0.0.1:1/0"

    page = manager.get(url("console", sale.pk))

    assert "its Redis is away" in text(page)
    assert (figure(page, "free"), figure(page, "line")) == ("3", "?")


def test_a_long_sale_is_drawn_with_few_points_and_few_queries(manager: Client) -> None:
    item = open_sale(3)
    begin = timezone.now().replace(microsecond=0) - timedelta(seconds=3_000)
    figures = {"free": 3, "held": 0, "sold": 0, "line": 4, "clicks": {"entered": 4}}
    SaleSample.objects.bulk_create(
        SaleSample(sale=item.sale, at=begin + timedelta(seconds=second), figures=figures)
        for second in range(3_000)
    )

    with (
        gated(item),
        CaptureQueriesContext(
            connection,
        ) as queries,
    ):
        page = manager.get(url("live", item.sale_id))

    points = document(page).xpath("//polyline/@points")
    assert points
    assert max(len(line.split()) for line in points) < 350
    assert len(queries) < 25


def test_a_page_that_shows_an_ended_sale_stops_asking(manager: Client) -> None:
    sale = open_sale(3).sale
    assert manager.get(url("live", sale.pk)).status_code == 200
    selling.end(sale.pk, actor="test")

    assert manager.get(url("live", sale.pk)).status_code == 286


def test_a_clerk_sees_the_console_without_buttons() -> None:
    sale = open_sale(3).sale

    assert "Pause…" not in text(staff("clerk").get(url("console", sale.pk)))
    assert "Pause…" in text(staff("manager").get(url("console", sale.pk)))


def test_one_sample_is_kept_of_each_second() -> None:
    item = open_sale(3)
    with gated(item) as gate:
        gate.click("visitor:a")
        now = timezone.now().replace(microsecond=1)

        taken = [take_sample(item.sale, at) for at in (now, now + timedelta(milliseconds=1))]
        figures = figures_of(item.sale_id)

    assert taken == [True, False]
    sample = SaleSample.objects.get()
    assert sample.figures["clicks"] == figures.clicks == {"entered": 1, "ticket": 1}
