"""Orders for tests: real stock, real cards of the sandbox, real leases."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

from orders.models import Order, StockItem
from orders.services.cards import Card
from orders.services.placement import Address, LineRequest, PlaceOrder, place_order
from orders.services.shelf import receive_stock
from tasks.guard import single_flight
from tasks.locks.held import HeldLease

ALICE = Address("Alice Ahrens", "1 Quay Street", "", "28195", "Bremen", "DE")


def card(payment_method: str = "pm_card_visa") -> Card:
    return Card(payment_method, "visa", "4242")


def line(sku: str, quantity: int = 1, price_cents: int = 1_000) -> LineRequest:
    return LineRequest(sku, f"Thing {sku}", price_cents, quantity)


def command(
    *lines: LineRequest, key: UUID | None = None, payment_method: str = "pm_card_visa"
) -> PlaceOrder:
    return PlaceOrder(
        idempotency_key=key or uuid4(),
        email="alice@example.com",
        address=ALICE,
        lines=lines,
        card=card(payment_method),
        currency="EUR",
    )


def placed(sku: str = "MUG", *, stock: int = 5, payment_method: str = "pm_card_visa") -> Order:
    """An order for one unit, of a SKU that has just received ``stock`` units."""
    receive_stock(sku, stock, "test")
    return place_order(command(line(sku), payment_method=payment_method))


def units(sku: str) -> tuple[int, int]:
    """(on hand, held)"""
    item = StockItem.objects.get(sku=sku)
    return item.on_hand, item.held


@contextmanager
def lease_on(order: Order) -> Iterator[HeldLease]:
    with single_flight(order.subject, wait=5) as lease:
        yield lease
