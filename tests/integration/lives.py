"""Orders further along in their life, made by the services themselves."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from orders.gateways.chosen import get_gateway
from orders.models import Order, Payment, Refund, Return, Shipment
from orders.services.fulfilment import deduct_inventory
from orders.services.lines import LineQuantity
from orders.services.payment import capture_payment
from orders.services.placement import LineRequest, place_order
from orders.services.refunding import move_refund
from orders.services.returns import announce_return
from orders.services.shelf import receive_stock
from orders.services.shipping import ship_lines
from tests.integration.shopping import command, lease_on, placed

STAFF = "staff greta"


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def captured(order: Order, payment: Payment | None = None) -> Order:
    """The order after its newest payment's message was handled once."""
    with lease_on(order) as lease:
        capture_payment(order.pk, (payment or order.payments.latest("pk")).pk, lease)
    return fresh(order)


def paid(**placing: object) -> Order:
    return captured(placed(**placing))  # type: ignore[arg-type]  # the caller's keywords


def packed_from(order: Order) -> Order:
    with lease_on(order) as lease:
        deduct_inventory(order.pk, lease)
    return fresh(order)


def packed(*lines: LineRequest, payment_method: str = "pm_card_visa") -> Order:
    """A packed order of these lines; five of each SKU were received."""
    for line in lines:
        receive_stock(line.sku, 5, "test")
    order = place_order(command(*lines, payment_method=payment_method))
    return packed_from(captured(order))


def shipped(order: Order, *units: LineQuantity) -> Shipment:
    return ship_lines(order.pk, form_key=uuid4(), lines=units, actor=STAFF)


def announced(order: Order, *units: LineQuantity) -> Return:
    return announce_return(order.pk, form_key=uuid4(), lines=units, reason="", actor="shopper")


def moved(refund: Refund) -> Refund:
    """The refund after its message was handled once."""
    with lease_on(refund.order) as lease:
        move_refund(refund.order_id, refund.pk, lease)
    refund.refresh_from_db()
    return refund


def units_of(order: Order, sku: str, quantity: int) -> LineQuantity:
    return LineQuantity(order.lines.get(sku=sku).pk, quantity)


def taken(order: Order) -> int:
    """Cents that the bank took for the order, less what it gave back."""
    bank = get_gateway()
    came = sum(c.amount_cents for c in bank.captures() if c.order_number == order.number)
    return came - sum(r.amount_cents for r in bank.refunds() if r.order_number == order.number)


@contextmanager
def before_the_bank_answers(
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[], object],
    *,
    where: str = "orders.services.payment",
) -> Iterator[None]:
    """The real bank; ``happens()`` runs after it has done its work and before it is heard."""
    real = get_gateway()

    class Interrupted:
        def __getattr__(self, verb: str) -> object:
            def asked(*args: object, **named: object) -> object:
                answer = getattr(real, verb)(*args, **named)
                happens()
                return answer

            return asked

    with monkeypatch.context() as patch:
        patch.setattr(f"{where}.get_gateway", Interrupted)
        yield
