"""The button 'Rehearse': who may press it, what is asked, and what the page tells afterwards."""

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from shop.flash_sales import rehearsing
from shop.flash_sales.models import FlashSale, Rehearsal
from shop.flash_sales.rehearsing import Outcome
from tests.integration.back_office_sales import draft_sale, open_sale
from tests.integration.desk import document, filled, plain_files, press, staff, text
from tests.integration.rehearsals import asked, reread, running, shadow_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _private_stack(settings: LazySettings, tmp_path: Path) -> None:
    plain_files(settings, tmp_path)
    settings.REHEARSALS = True


@pytest.fixture
def manager() -> Client:
    return staff("manager")


def button(sale: FlashSale) -> str:
    return reverse("admin:flash_sales_flashsale_rehearse", args=[sale.pk])


def page_of(rehearsal: Rehearsal, name: str = "change") -> str:
    return reverse(f"admin:flash_sales_rehearsal_{name}", args=[rehearsal.pk])


# -- the button -----------------------------------------------------------------------


def test_a_manager_presses_it_and_sees_the_page_of_the_rehearsal(manager: Client) -> None:
    sale = open_sale(5).sale

    page = press(manager, button(sale), crowd="60", kill="relay")

    rehearsal = Rehearsal.objects.get()
    assert page.redirect_chain == [(page_of(rehearsal), 303)]
    assert (rehearsal.units, rehearsal.crowd, rehearsal.kill) == (5, 60, "relay")
    assert (rehearsal.hold_seconds, rehearsal.asked_by) == (sale.hold_seconds, "staff manager")
    assert "asked for by staff manager" in text(page)


def test_console_and_form_of_a_sale_offer_it_to_managers_only() -> None:
    sale = draft_sale().sale
    names = ("flash_sales_flashsale_console", "flash_sales_flashsale_change")
    urls = [reverse(f"admin:{name}", args=[sale.pk]) for name in names]

    for role, offers in (("manager", True), ("clerk", False), ("auditor", False)):
        client = staff(role)
        for url in urls:
            links = document(client.get(url)).xpath(f"//a[@href='{button(sale)}']")
            assert bool(links) is offers, (role, url)
        assert client.post(button(sale), {"units": "1"}).status_code == (422 if offers else 403)
    assert not Rehearsal.objects.exists()


def test_no_button_leads_to_a_rehearsal_of_a_rehearsal_or_of_an_ended_sale(
    manager: Client,
) -> None:
    rehearsal = running()
    shadow = shadow_of(rehearsal).sale
    FlashSale.objects.filter(pk=rehearsal.like_id).update(status="ended")

    for sale in (shadow, rehearsal.like):
        for name in ("console", "change"):
            url = reverse(f"admin:flash_sales_flashsale_{name}", args=[sale.pk])
            assert button(sale) not in manager.get(url).content.decode()


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"crowd": "20001"}, "less than or equal to 20000"),
        ({"units": "0"}, "greater than or equal to 1"),
        ({"units": "10001"}, "less than or equal to 10000"),
        ({"hold_seconds": "9"}, "greater than or equal to 10"),
        ({"declines_percent": "60", "abandon_percent": "39"}, "101 % together"),
        ({"kill": "postgres"}, "not one of the available choices"),
    ],
)
def test_numbers_out_of_bounds_are_refused_with_the_reason(
    manager: Client, fields: dict[str, str], word: str
) -> None:
    page = press(manager, button(open_sale().sale), **fields)

    assert page.status_code == 422
    assert word in text(page)
    assert not Rehearsal.objects.exists()


def test_two_presses_are_one_rehearsal(manager: Client) -> None:
    sale = open_sale().sale
    form = filled(manager.get(button(sale)))

    first, second = (manager.post(button(sale), form) for _ in range(2))

    assert first["Location"] == second["Location"] == page_of(Rehearsal.objects.get())
    assert "is under way" in text(manager.get(second["Location"]))


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [("STRIPE_API_BASE", "", "a real bank"), ("REHEARSALS", False, "in a private stack")],
)
def test_where_it_cannot_be_done_the_page_says_why_and_has_no_form(
    manager: Client, settings: LazySettings, name: str, value: object, word: str
) -> None:
    sale = open_sale().sale
    form = filled(manager.get(button(sale)))
    setattr(settings, name, value)

    looked, pressed = manager.get(button(sale)), manager.post(button(sale), form)

    assert word in text(looked)
    assert "./dev up" in text(looked)
    assert not document(looked).xpath("//form[@id='desk-form']")
    assert (pressed.status_code, Rehearsal.objects.exists()) == (409, False)


# -- its page -------------------------------------------------------------------------


def test_the_page_follows_it_until_the_verdict_and_then_stops_asking(manager: Client) -> None:
    rehearsal = running()
    shadow_of(rehearsal)
    rehearsing.beat(rehearsal.pk, "The crowd is on its way: 60 people.")

    live = manager.get(page_of(rehearsal, "live"))

    assert live.status_code == 200
    assert "The crowd is on its way: 60 people." in text(live)
    assert document(live).xpath("//dd[@data-figure='free']/text()") == ["10"]
    outcome = Outcome(
        {"sold out": 40, "paid": 10}, ["1 units are still held"], "polls 7", "It <holds>."
    )
    rehearsing.finish(rehearsal.pk, outcome)
    assert manager.get(page_of(rehearsal, "live")).status_code == 286


def test_the_page_tells_verdict_endings_faults_and_the_words_of_the_proof(manager: Client) -> None:
    rehearsal = running()
    shadow = shadow_of(rehearsal).sale
    outcome = Outcome(
        {"paid": 10, "sold out": 40}, ["1 units are still held"], "polls 7", "It <holds>."
    )
    rehearsing.finish(rehearsal.pk, outcome)

    page = manager.get(page_of(rehearsal))

    found = document(page)
    assert found.xpath("//*[@id='verdict']/@data-verdict") == ["broken"]
    assert found.xpath("//*[@id='endings']/*/text()") == ["Sold out", "40", "Paid", "10"]
    assert found.xpath("//*[@id='faults']/li/text()") == ["1 units are still held"]
    assert found.xpath("//*[@id='proof']/text()") == ["It <holds>."]
    console = reverse("admin:flash_sales_flashsale_console", args=[shadow.pk])
    assert found.xpath(f"//a[@href='{console}']")
    assert not found.xpath("//*[@id='rehearsal-live'][@hx-get]")


def test_one_that_failed_says_why(manager: Client) -> None:
    rehearsal = running()
    rehearsing.fail(rehearsal.pk, "The relay did not come back.")

    page = text(manager.get(page_of(rehearsal)))

    assert "The relay did not come back." in page
    assert "could not be done" in page


def test_earlier_rehearsals_of_the_sale_are_linked_from_the_form_and_from_each_other(
    manager: Client,
) -> None:
    first = running()
    rehearsing.finish(first.pk, Outcome())
    second = rehearsing.ask(first.like_id, rehearsing.NewRehearsal(1, 1), actor="staff anna")

    for url in (button(first.like), page_of(second)):
        assert document(manager.get(url)).xpath(f"//a[@href='{page_of(first)}']"), url


def test_whoever_may_not_see_sales_does_not_see_their_rehearsals() -> None:
    rehearsal = asked()
    stranger = staff("", "stranger")
    User.objects.update(is_superuser=False)

    assert stranger.get(page_of(rehearsal)).status_code == 403
    assert stranger.get(page_of(rehearsal, "live")).status_code == 403


# -- out of the way -------------------------------------------------------------------


def test_shadow_sales_are_in_the_list_of_sales_only_when_asked_for(manager: Client) -> None:
    rehearsal = running()
    shadow = shadow_of(rehearsal).sale
    url = reverse("admin:flash_sales_flashsale_changelist")

    def titles(query: str) -> set[str]:
        found = {sale.pk for sale in manager.get(url + query).context["cl"].result_list}
        names = {shadow.pk: "shadow", rehearsal.like_id: "real"}
        return {names[pk] for pk in found}

    assert titles("") == {"real"}
    assert titles("?kind=rehearsals") == {"shadow"}
    assert titles("?kind=all") == {"real", "shadow"}
    assert reread(rehearsal).shadow == shadow
