"""An order's row that cannot be had for three seconds: the page says so, and nothing happened."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connections, transaction

from orders.locks import lock_order
from orders.models import Order, StockItem
from tests.integration import desk
from tests.integration import order_lives as lives
from tests.integration.shop_visitor import Visitor, shelve

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _shop(settings: LazySettings, tmp_path: Path) -> None:
    desk.plain_files(settings, tmp_path)


@contextmanager
def kept_locked(lock: Callable[[], object]) -> Iterator[None]:
    """Somebody else has the row, on a connection of their own."""
    has_it, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            lock()
            has_it.set()
            may_go.wait(30)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert has_it.wait(10)
        yield
    finally:
        may_go.set()
        holder.join(30)


def standing(order: Order) -> tuple[str, str, int]:
    found = Order.objects.get(pk=order.pk)
    return found.status, found.fulfilment, found.refunds.count() + found.shipments.count()


def test_a_shopper_who_cancels_is_told_to_try_again() -> None:
    order, alice = lives.placed(), Visitor()
    form = alice.get(f"/orders/{order.token}/cancel/").form("cancel")
    with kept_locked(lambda: lock_order(order.pk)):
        page = alice.post(f"/orders/{order.token}/cancel/", form)

    assert page.status == 503
    assert "busy" in page.words
    assert "try again" in page.words
    assert standing(order) == ("placed", "unfulfilled", 0)


def test_a_buyer_of_a_busy_unit_is_told_to_try_again() -> None:
    shelve("BUSY-MUG", units=3)
    alice = Visitor()
    alice.buys("BUSY-MUG")
    form = alice.checkout_form()

    def lock() -> None:
        StockItem.objects.select_for_update().get(sku="BUSY-MUG")

    with kept_locked(lock):
        page = alice.post("/checkout/", form)

    assert page.status == 503
    assert "Nothing was changed: try again" in page.words
    assert not Order.objects.exists()
    assert StockItem.objects.get(sku="BUSY-MUG").held == 0


@pytest.mark.parametrize(
    ("verb", "filled"),
    [
        ("ship", {}),
        ("cancel", {"reason": "asked by phone"}),
        ("refund", {"what": "all", "reason": "scratched"}),
    ],
)
def test_the_staff_is_told_to_try_again(verb: str, filled: dict[str, str]) -> None:
    order, client = desk.packed(2), desk.staff("")
    address = desk.deed(verb, order)
    form = desk.filled(client.get(address), **filled)
    with kept_locked(lambda: lock_order(order.pk)):
        answer = client.post(address, form)

    assert answer.status_code == 503
    assert "busy, try again" in answer.content.decode()
    assert standing(order) == ("paid", "packed", 0)
