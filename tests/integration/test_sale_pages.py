"""The pages of a sale: one for all that any cache may keep, and the way of a person to a unit."""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from shop.flash_sales.gate import Gate
from shop.flash_sales.models import FlashSale, SaleItem, Ticket
from shop.flash_sales.states import SaleStatus
from tests.integration.accounts import with_account
from tests.integration.gates import HOUR_MS, now_ms, units
from tests.integration.sale_visitor import at, clicks, facts_of, forget_everything, holder
from tests.integration.sales import gated, open_item
from tests.integration.shop_visitor import Visitor

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
    answer = facts_of(Visitor().get(f"/sale/{item.sale.slug}/clock/"))

    assert abs(answer["now_ms"] - now_ms()) < 10_000
    assert answer["starts_ms"] == int(item.sale.starts_at.timestamp() * 1_000)


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


def test_whoever_signs_in_while_waiting_keeps_the_place(
    item: SaleItem, gate: Gate, settings: Settings
) -> None:
    holder(item)
    visitor = Visitor()
    clicks(item, visitor)
    with_account(settings, visitor=visitor)

    clicks(item, visitor)

    assert gate.line_length() == 1
    assert "You are next" in visitor.get(at(item, "line/")).words


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
    assert not page.response.cookies
    assert "no-store" in page.response["Cache-Control"]


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
        answer = facts_of(visitor.get(at(item, "line/"), accept="application/json"))

    assert len(queries) == 0
    assert answer["said"] == "in_line"
    assert (answer["position"], answer["units_left"], answer["held"]) == (1, 0, 1)
    assert 750 <= answer["poll_after_ms"] <= 940
    assert answer["headline"] == "You are next"
    assert answer["ticket"] is None


def test_who_has_no_token_is_not_in_line(item: SaleItem, gate: Gate) -> None:
    page = Visitor().get(at(item, "line/"))

    assert "You are not in line" in page.words
    assert Visitor().get(at(item, "ticket/")).location == at(item, "line/")
