"""Who cheats in a sale is refused, with the reason."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from orders.models import Order
from shop.flash_sales.gate import Gate
from shop.flash_sales.models import SaleItem, Ticket
from shop.flash_sales.states import TicketStatus
from tests.integration.gates import HOUR_MS, now_ms
from tests.integration.sale_visitor import at, clicks, facts_of, forget_everything, holder
from tests.integration.sales import gated, open_item
from tests.integration.shop_visitor import Visitor, filled

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(settings: Settings, tmp_path: Path) -> None:
    forget_everything(settings, tmp_path)


@pytest.fixture
def item() -> SaleItem:
    return open_item(1)


@pytest.fixture
def gate(item: SaleItem) -> Iterator[Gate]:
    with gated(item) as built:
        yield built


def test_whoever_comes_with_an_unusable_token_gets_a_new_one_at_the_door(
    item: SaleItem, gate: Gate
) -> None:
    holder(item)
    visitor = Visitor()
    clicks(item, visitor)
    visitor.client.cookies["sale_person"] = "not ours"

    assert clicks(item, visitor).location == at(item, "line/")

    assert "You are 2nd in line" in visitor.get(at(item, "line/")).words


def test_a_client_with_a_wrong_clock_is_too_early_by_ours(item: SaleItem, gate: Gate) -> None:
    gate.change(starts_ms=now_ms() + 90_000)
    visitor = Visitor()
    form = visitor.get(at(item)).form("enter")

    sent = {**form, "now_ms": str(now_ms() + HOUR_MS)}
    answer = facts_of(visitor.post(at(item, "enter/"), sent, accept="application/json"))

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
    assert facts_of(polled)["why"] == "reused"
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
