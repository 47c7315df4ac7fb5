"""Whoever signs in while they wait has their place on every device, and once only."""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from shop.flash_sales.gate import Gate
from shop.flash_sales.models import SaleItem, Ticket
from tests.integration.accounts import with_account
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


def same_account(device: Visitor) -> Visitor:
    """Another device on which the same shopper has signed in."""
    session = device.client.cookies["sessionid"].value
    return Visitor(SimpleCookie(f"sessionid={session}"))


def copy_of(visitor: Visitor) -> Visitor:
    """What they had until now, also when they get other cookies."""
    return Visitor(visitor.client.cookies)


def position(item: SaleItem, visitor: Visitor) -> int:
    """0: not in line."""
    answer = facts_of(visitor.get(at(item, "line/"), accept="application/json"))
    return int(answer["position"])


def wait_behind(item: SaleItem, *visitors: Visitor) -> None:
    holder(item)
    for visitor in visitors:
        assert clicks(item, visitor).location == at(item, "line/")


@pytest.mark.parametrize("page", ["", "line/"])
def test_another_device_has_the_place_after_signing_in(
    item: SaleItem, gate: Gate, settings: Settings, page: str
) -> None:
    phone, other = Visitor(), Visitor()
    wait_behind(item, phone, other)
    before = copy_of(phone)
    with_account(settings, visitor=phone)
    phone.get(at(item, page))
    laptop = same_account(phone)
    clicks(item, laptop)

    assert [position(item, one) for one in (phone, laptop, other)] == [1, 1, 2]
    assert "You are next" in phone.get(at(item, "line/")).words
    assert gate.line_length() == 2
    # The token from before, with its signed place, leads to nothing.
    assert position(item, before) == 0


def test_the_unit_of_the_carried_place_is_seen_on_every_device(
    item: SaleItem, gate: Gate, settings: Settings
) -> None:
    first, phone = holder(item), Visitor()
    clicks(item, phone)
    with_account(settings, visitor=phone)
    phone.get(at(item))
    laptop = same_account(phone)
    laptop.get(at(item))
    first.post(at(item, "give-back/"), first.get(at(item, "ticket/")).form("give-back"))

    assert phone.get(at(item, "line/")).location == at(item, "ticket/")
    assert laptop.get(at(item, "line/")).location == at(item, "ticket/")
    forms = [one.get(at(item, "ticket/")).form("checkout") for one in (phone, laptop)]
    assert all(form["entry"] for form in forms)
    assert Ticket.objects.count() == 2


def test_the_better_of_two_places_stays_and_the_other_is_gone(
    item: SaleItem, gate: Gate, settings: Settings
) -> None:
    laptop = with_account(settings)
    phone = Visitor()
    wait_behind(item, phone, Visitor(), laptop)
    assert position(item, laptop) == 3
    phone.client.cookies["sessionid"] = laptop.client.cookies["sessionid"].value

    phone.get(at(item))

    assert [position(item, one) for one in (phone, laptop)] == [1, 1]
    assert gate.line_length() == 2


def test_a_visitor_with_a_ticket_keeps_it_where_they_have_it(
    item: SaleItem, gate: Gate, settings: Settings
) -> None:
    phone = holder(item)
    with_account(settings, visitor=phone)

    phone.get(at(item))

    assert phone.get(at(item, "ticket/")).form("checkout")["entry"]
    assert clicks(item, same_account(phone)).location == at(item, "line/")


def test_a_tab_from_before_they_signed_in_ends_at_the_same_place(
    item: SaleItem, gate: Gate, settings: Settings
) -> None:
    phone = Visitor()
    wait_behind(item, phone, Visitor())
    old_tab = phone.get(at(item)).form("enter")
    with_account(settings, visitor=phone)
    phone.get(at(item))

    assert phone.post(at(item, "enter/"), old_tab).location == at(item, "line/")
    assert phone.get(at(item, "line/")).location == at(item, "line/")
    assert "You are next" in phone.get(at(item, "line/")).words
    assert gate.line_length() == 2


def test_a_gate_that_is_lost_leaves_the_place_with_the_visitor(
    item: SaleItem, gate: Gate, settings: Settings
) -> None:
    phone = Visitor()
    wait_behind(item, phone)
    with_account(settings, visitor=phone)
    before = dict(phone.client.cookies.items())
    gate.drop()

    phone.get(at(item))

    after = phone.client.cookies
    assert after["sale_person"].value == before["sale_person"].value
    assert after[f"sale_place_{item.pk}"].value


def test_the_places_of_other_items_of_the_sale_go_with_them(
    item: SaleItem, gate: Gate, settings: Settings
) -> None:
    second = SaleItem.objects.create(sale=item.sale, sku="OTHER", title="Other", price_cents=500)
    phone = Visitor()
    with gated(second, free=0, held=1) as other_gate:
        wait_behind(item, phone)
        clicks(second, phone)
        with_account(settings, visitor=phone)

        phone.get(at(item))

        laptop = same_account(phone)
        laptop.get(at(second))
        assert [position(one, laptop) for one in (item, second)] == [1, 1]
        assert [position(one, phone) for one in (item, second)] == [1, 1]
        assert other_gate.line_length() == 1


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "9" * 5_000])
def test_a_cookie_that_is_no_place_does_no_harm(
    item: SaleItem, gate: Gate, settings: Settings, number: str
) -> None:
    phone = with_account(settings)
    holder(item)
    token = facts_of(Visitor().get(at(item), accept="application/json"))["entry"]
    cookies = {"sale_person": token, f"sale_place_{number}": "1.1.visitor:x.1.0:made-up"}
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    session = phone.client.cookies["sessionid"].value
    stranger = Visitor()
    stranger.client.defaults["HTTP_COOKIE"] = f"sessionid={session}; {header}"

    assert stranger.get(at(item)).status == 200


def test_a_poll_reads_no_session_and_a_door_without_one_costs_no_sql(
    item: SaleItem, gate: Gate, settings: Settings
) -> None:
    phone, stranger = Visitor(), Visitor()
    wait_behind(item, phone, stranger)
    with_account(settings, visitor=phone)
    stranger.get(at(item))
    with CaptureQueriesContext(connection) as queries:
        polled = position(item, phone)
        stranger.get(at(item))
        stranger.get(at(item, "line/"))

    assert polled == 1
    assert len(queries) == 0
