"""The pages of a sale: one for all that any cache may keep, and the way of a person to a unit."""

from collections.abc import Iterator
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders.models import Order
from shop.flash_sales import local_answers, shown
from shop.flash_sales.gate import Gate
from shop.flash_sales.models import FlashSale, SaleItem, Ticket
from shop.flash_sales.states import SaleStatus, TicketStatus
from tests.integration.accounts import Settings, prepare, with_account
from tests.integration.gates import HOUR_MS, now_ms, units
from tests.integration.sales import gated, open_item
from tests.integration.shop_visitor import GOOD_CARD, Page, Visitor, filled

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh(settings: Settings, tmp_path: Path) -> None:
    prepare(settings, tmp_path)
    # The ids of items start anew with each test.
    shown.forget_all()
    local_answers._sold_out_until.clear()
    local_answers._away_until.clear()


@pytest.fixture
def item() -> SaleItem:
    return open_item(1)


@pytest.fixture
def gate(item: SaleItem) -> Iterator[Gate]:
    with gated(item) as built:
        yield built


def at(item: SaleItem, name: str = "") -> str:
    return f"/sale/{item.sale.slug}/{item.pk}/{name}"


def clicks(item: SaleItem, visitor: Visitor) -> Page:
    """Opens the door and presses its button."""
    form = visitor.get(at(item)).form("enter")
    return visitor.post(at(item, "enter/"), form)


def holder(item: SaleItem) -> Visitor:
    visitor = Visitor()
    assert clicks(item, visitor).location == at(item, "ticket/")
    return visitor


def test_the_sales_page_may_be_kept_by_any_cache_and_costs_no_sql_once_read(
    item: SaleItem,
) -> None:
    path = f"/sale/{item.sale.slug}/"
    first = Visitor().get(path)
    visitor = Visitor(SimpleCookie("sessionid=somebodys; csrftoken=" + 32 * "x"))
    with CaptureQueriesContext(connection) as queries:
        page = visitor.get(path)

    assert first.status == page.status == 200
    assert page.response["Cache-Control"] == "public, max-age=2"
    assert not page.response.cookies
    assert "Cookie" not in page.response.get("Vary", "")
    assert page.text == first.text
    assert len(queries) == 0
    assert f"{int(item.sale.starts_at.timestamp() * 1_000)}" in page.text


def test_a_draft_is_seen_by_nobody(item: SaleItem) -> None:
    FlashSale.objects.update(status=SaleStatus.DRAFT)

    assert Visitor().get(f"/sale/{item.sale.slug}/").status == 404
    assert Visitor().get(at(item)).status == 404


def test_the_clock_is_the_servers(item: SaleItem) -> None:
    answer = Visitor().get(f"/sale/{item.sale.slug}/clock/").response.json()

    assert abs(answer["now_ms"] - now_ms()) < 10_000
    assert answer["starts_ms"] == int(item.sale.starts_at.timestamp() * 1_000)


def test_a_click_becomes_a_ticket_and_the_ticket_an_order(item: SaleItem, gate: Gate) -> None:
    visitor = holder(item)

    form = filled(visitor.get(at(item, "ticket/")))
    landed = visitor.post(at(item, "ticket/"), form)

    order = Order.objects.get()
    ticket = Ticket.objects.get()
    assert landed.location == f"/orders/{order.token}/"
    assert (ticket.status, ticket.order_id) == (TicketStatus.ORDERED, order.pk)
    assert order.total_cents == item.price_cents
    # A second tab, a reload and a double click all lead to that order.
    assert visitor.post(at(item, "ticket/"), form).location == landed.location
    assert visitor.get(at(item, "ticket/")).location == landed.location
    assert Order.objects.count() == 1


def test_a_mistake_in_the_form_keeps_the_unit_and_what_was_typed(
    item: SaleItem, gate: Gate
) -> None:
    visitor = holder(item)
    form = filled(visitor.get(at(item, "ticket/")), "4242 4242 4242 4241")

    page = visitor.post(at(item, "ticket/"), form)

    assert page.status == 422
    assert page.ids_with_errors() == {"card_number"}
    assert page.form("checkout")["city"] == "Amsterdam"
    assert Ticket.objects.get().status == TicketStatus.HELD
    assert visitor.post(at(item, "ticket/"), {**form, "card_number": GOOD_CARD}).status == 303


def test_a_double_click_is_one_place_and_one_ticket(item: SaleItem, gate: Gate) -> None:
    visitor = Visitor()
    form = visitor.get(at(item)).form("enter")

    pages = [visitor.post(at(item, "enter/"), form) for _ in range(3)]

    assert {page.location for page in pages} == {at(item, "ticket/")}
    assert Ticket.objects.count() == 1


def test_who_waits_sees_their_place_and_gets_the_unit_that_is_given_back(
    item: SaleItem, gate: Gate
) -> None:
    first, second = holder(item), Visitor()
    assert clicks(item, second).location == at(item, "line/")
    waiting = second.get(at(item, "line/"))
    assert "You are next" in waiting.words
    assert "1 held by others may come back" in waiting.words

    form = first.get(at(item, "ticket/")).form("give-back")
    assert first.post(at(item, "give-back/"), form).location == at(item, "ticket/")

    assert "given back" in first.get(at(item, "ticket/")).words
    assert second.get(at(item, "line/")).location == at(item, "ticket/")
    assert second.get(at(item, "ticket/")).form("checkout")["entry"]
    assert units(gate) == (0, 1, 0)


def test_a_reload_and_a_second_tab_are_the_same_place(item: SaleItem, gate: Gate) -> None:
    holder(item)
    visitor, other = Visitor(), Visitor()
    clicks(item, visitor)
    clicks(item, other)

    tab = Visitor(visitor.client.cookies)
    assert clicks(item, tab).location == at(item, "line/")

    assert "You are next" in tab.get(at(item, "line/")).words
    assert "You are 2nd in line" in other.get(at(item, "line/")).words


def test_whoever_is_signed_in_has_the_same_place_on_another_device(
    item: SaleItem, gate: Gate, settings: Settings
) -> None:
    holder(item)
    phone = with_account(settings)
    session = phone.client.cookies["sessionid"].value
    laptop = Visitor(SimpleCookie(f"sessionid={session}"))

    clicks(item, phone)
    clicks(item, laptop)

    assert gate.line_length() == 1
    assert "You are next" in laptop.get(at(item, "line/")).words


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"free": 0}, "sold_out"),
        ({"ends_ms": now_ms() - 1}, "too_late"),
        ({"starts_ms": now_ms() + HOUR_MS}, "too_early"),
    ],
)
def test_who_gets_nothing_is_told_so_without_sql_session_or_another_drawing(
    item: SaleItem, gate: Gate, facts: dict[str, int], said: str
) -> None:
    gate.change(**facts)
    clicks(item, Visitor())
    visitor = Visitor()
    form = visitor.get(at(item)).form("enter")
    with CaptureQueriesContext(connection) as queries:
        page = visitor.post(at(item, "enter/"), form)

    answer = page.root.get_element_by_id("answer")
    assert (page.status, answer.get("data-said")) == (200, said)
    assert len(queries) == 0
    assert set(page.response.cookies) == {"sale_person"}
    assert "no-store" in page.response["Cache-Control"]


def test_a_client_with_a_wrong_clock_is_too_early_by_ours(item: SaleItem, gate: Gate) -> None:
    gate.change(starts_ms=now_ms() + 90_000)
    visitor = Visitor()
    form = visitor.get(at(item)).form("enter")

    sent = {**form, "now_ms": str(now_ms() + HOUR_MS)}
    answer = visitor.post(at(item, "enter/"), sent, accept="application/json").response.json()

    assert answer["said"] == "too_early"
    assert 80_000 < answer["starts_in_ms"] <= 90_000


def test_a_forged_token_is_refused_with_the_reason_and_counted(item: SaleItem, gate: Gate) -> None:
    visitor = Visitor()
    entry = visitor.get(at(item)).form("enter")["entry"]

    for forged in ("", "x", entry[:-1] + ("a" if entry[-1] != "a" else "b")):
        page = visitor.post(at(item, "enter/"), {"entry": forged})
        assert page.status == 403
        assert "not made by our shop" in page.words

    assert gate.counts()["forged"] == 3
    assert not Ticket.objects.exists()


def test_a_token_of_another_sale_is_refused(item: SaleItem, gate: Gate) -> None:
    other = open_item(1)
    entry = Visitor().get(at(other)).form("enter")["entry"]

    page = Visitor().post(at(item, "enter/"), {"entry": entry})

    assert page.status == 403
    assert "another sale" in page.words


def test_a_place_of_somebody_else_is_refused_on_a_click_and_in_the_line(
    item: SaleItem, gate: Gate
) -> None:
    holder(item)
    honest, thief = Visitor(), Visitor()
    clicks(item, honest)
    form = thief.get(at(item)).form("enter")
    name = f"sale_place_{item.pk}"
    stolen = honest.client.cookies[name].value

    clicked = thief.post(at(item, "enter/"), {**form, "place": stolen})
    thief.client.cookies[name] = stolen
    polled = thief.get(at(item, "line/"), accept="application/json")

    assert (clicked.status, polled.status) == (403, 403)
    assert "somebody else" in clicked.words
    assert polled.response.json()["why"] == "reused"
    assert gate.counts()["reused"] == 2
    assert gate.line_length() == 1


def test_whoever_replays_a_click_gets_the_answer_that_it_had(item: SaleItem, gate: Gate) -> None:
    holder(item)
    visitor = Visitor()
    form = visitor.get(at(item)).form("enter")
    for _ in range(3):
        assert Visitor().post(at(item, "enter/"), form).location == at(item, "line/")

    assert gate.line_length() == 1


def test_a_ticket_cannot_be_paid_or_given_back_with_a_strangers_token(
    item: SaleItem, gate: Gate
) -> None:
    visitor, stranger = holder(item), Visitor()
    form = filled(visitor.get(at(item, "ticket/")))
    entry = stranger.get(at(item)).form("enter")["entry"]

    for path in ("ticket/", "give-back/"):
        stranger.post(at(item, path), {**form, "entry": entry})
        assert stranger.post(at(item, path), {**form, "entry": ""}).status == 403

    assert Ticket.objects.get().status == TicketStatus.HELD
    assert not Order.objects.exists()


def test_whose_time_is_over_is_told_so_and_pays_nothing(item: SaleItem, gate: Gate) -> None:
    visitor = holder(item)
    form = filled(visitor.get(at(item, "ticket/")))
    Ticket.objects.update(held_until=timezone.now() - timedelta(seconds=1))

    page = visitor.post(at(item, "ticket/"), form)

    assert page.status == 409
    assert "Your time was over" in page.words
    assert not Order.objects.exists()


def test_a_hundred_people_at_one_address_get_what_one_may_have() -> None:
    item = open_item(2)
    with gated(item):
        first, second = holder(item), holder(item)
        first.post(at(item, "ticket/"), filled(first.get(at(item, "ticket/"))))
        form = filled(second.get(at(item, "ticket/")))

        refused = second.post(at(item, "ticket/"), {**form, "email": "other@example.org"})

    assert refused.status == 409
    assert "This postal address has the one unit" in refused.words
    assert Order.objects.count() == 1


def test_a_lost_gate_is_told_and_the_place_is_kept(item: SaleItem, gate: Gate) -> None:
    holder(item)
    visitor = Visitor()
    clicks(item, visitor)
    place = visitor.client.cookies[f"sale_place_{item.pk}"].value
    gate.drop()

    page = visitor.get(at(item, "line/"))

    assert "being repaired" in page.words
    assert (
        visitor.client.cookies[f"sale_place_{item.pk}"].value.split(":")[0:1]
        == (place.split(":")[0:1])
    )


def test_a_poll_is_facts_with_words_and_says_when_to_ask_again(item: SaleItem, gate: Gate) -> None:
    holder(item)
    visitor = Visitor()
    clicks(item, visitor)
    with CaptureQueriesContext(connection) as queries:
        answer = visitor.get(at(item, "line/"), accept="application/json").response.json()

    assert len(queries) == 0
    assert answer["said"] == "in_line"
    assert (answer["position"], answer["units_left"], answer["held"]) == (1, 0, 1)
    assert answer["poll_after_ms"] >= 1_000
    assert answer["headline"] == "You are next"
    assert answer["ticket"] is None


def test_who_has_no_token_is_not_in_line(item: SaleItem, gate: Gate) -> None:
    page = Visitor().get(at(item, "line/"))

    assert "You are not in line" in page.words
    assert Visitor().get(at(item, "ticket/")).location == at(item, "line/")
