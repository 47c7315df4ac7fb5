"""Who cheats in a sale is refused, with the reason."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.utils.http import http_date
from pytest_django import Settings

from orders.models import Order
from shop.flash_sales import shown, tokens
from shop.flash_sales.gate import Gate
from shop.flash_sales.models import SaleItem, Ticket
from shop.flash_sales.states import TicketStatus
from shop.flash_sales.tokens import TOKEN_LIFE_SECONDS
from tests.integration.gates import HOUR_MS, now_ms, units
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


def test_a_place_of_another_item_is_refused(item: SaleItem, gate: Gate) -> None:
    other = next_item(item)
    visitor = Visitor()
    with gated(other, free=0, held=1):
        clicks(other, visitor)
        place = visitor.client.cookies[f"sale_place_{other.pk}"].value
        form = visitor.get(at(item)).form("enter")

        page = visitor.post(at(item, "enter/"), {**form, "place": place})

    assert page.status == 403
    assert "given to somebody else" in page.words
    assert gate.counts()["reused"] == 1
    assert gate.line_length() == 0


def test_a_token_that_is_too_old_is_refused_and_the_door_gives_a_new_one(
    item: SaleItem, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = Visitor()
    long_ago = SimpleNamespace(time=lambda: time.time() - TOKEN_LIFE_SECONDS - 1)
    with monkeypatch.context() as patch:
        patch.setattr(tokens, "time", long_ago)
        form = visitor.get(at(item)).form("enter")

    page = visitor.post(at(item, "enter/"), form)

    assert page.status == 403
    assert "This page is too old" in page.words
    assert gate.counts()["old"] == 1
    assert clicks(item, visitor).location == at(item, "ticket/")


@pytest.mark.parametrize("hours", [-5, 5])
def test_no_time_that_a_client_sends_counts(item: SaleItem, gate: Gate, hours: int) -> None:
    gate.change(starts_ms=now_ms() + 90_000)
    visitor, wrong_ms = Visitor(), now_ms() + hours * HOUR_MS
    form = visitor.get(at(item)).form("enter")
    date = http_date(wrong_ms / 1_000)
    sent = {**form, "now_ms": str(wrong_ms), "starts_ms": str(wrong_ms), "turn_at_ms": "1"}
    headers = {"Date": date, "If-Modified-Since": date, "If-Unmodified-Since": date}

    page = visitor.post(at(item, "enter/"), sent, **headers)

    assert page.root.get_element_by_id("answer").get("data-said") == "too_early"
    assert "the sale starts in 1 minute 2" in page.words or "in 1 minute 30" in page.words
    assert not Ticket.objects.exists()
    gate.change(starts_ms=now_ms() - 1)
    assert visitor.post(at(item, "enter/"), sent, **headers).location == at(item, "ticket/")


def test_a_form_that_is_sent_again_after_the_end_changes_nothing(
    item: SaleItem, gate: Gate
) -> None:
    visitor = Visitor()
    click = visitor.get(at(item)).form("enter")
    visitor.post(at(item, "enter/"), click)
    checkout = filled(visitor.get(at(item, "ticket/")))
    back = visitor.get(at(item, "ticket/")).form("give-back")
    visitor.post(at(item, "give-back/"), back)
    other = holder(item)
    gate.change(status="ended")

    assert "The sale is over" in visitor.post(at(item, "enter/"), click).words
    assert visitor.post(at(item, "ticket/"), checkout).status == 409
    visitor.post(at(item, "give-back/"), back)

    assert not Order.objects.exists()
    assert Ticket.objects.get(status=TicketStatus.HELD).place == 2
    assert other.get(at(item, "ticket/")).form("checkout")
    assert units(gate) == (0, 1, 0)


def test_a_click_that_is_replayed_after_its_turn_goes_to_the_end_of_the_line(
    item: SaleItem, gate: Gate
) -> None:
    visitor = holder(item)
    place = visitor.client.cookies[f"sale_place_{item.pk}"].value
    form = visitor.get(at(item)).form("enter")
    visitor.post(at(item, "give-back/"), visitor.get(at(item, "ticket/")).form("give-back"))
    holder(item)
    clicks(item, Visitor())

    visitor.post(at(item, "enter/"), {**form, "place": place})

    assert "You are 2nd in line" in visitor.get(at(item, "line/")).words


def next_item(item: SaleItem) -> SaleItem:
    """Another one of the same sale."""
    other = SaleItem.objects.create(
        sale=item.sale, sku=f"{item.sku}-2", title="Another", price_cents=1_000
    )
    shown.forget_all()
    return other
