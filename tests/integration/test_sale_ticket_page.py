"""A ticket is paid for once, or is over."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from orders.models import Order
from shop.flash_sales.gate import Gate
from shop.flash_sales.models import SaleItem, Ticket
from shop.flash_sales.states import TicketStatus
from tests.integration.sale_visitor import at, forget_everything, holder
from tests.integration.sales import gated, open_item
from tests.integration.shop_visitor import GOOD_CARD, filled

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


def test_whose_time_is_over_is_told_so_and_pays_nothing(item: SaleItem, gate: Gate) -> None:
    visitor = holder(item)
    form = filled(visitor.get(at(item, "ticket/")))
    Ticket.objects.update(held_until=timezone.now() - timedelta(hours=1))

    page = visitor.post(at(item, "ticket/"), form)

    assert page.status == 409
    assert "Your time was over" in page.words
    assert not Order.objects.exists()
