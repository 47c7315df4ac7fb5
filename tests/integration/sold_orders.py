"""Orders for tests that have come further: paid, shipped, refunded, cancelled. By real services."""

from datetime import timedelta
from uuid import uuid4

from django.db.models.functions import Now

from orders.models import Notification, Order, Refund, Return, Shipment
from orders.services.cancellation import cancel_order
from orders.services.fulfilment import deduct_inventory
from orders.services.lines import LineQuantity
from orders.services.payment import capture_payment
from orders.services.placement import place_order
from orders.services.refund import RequestRefund, request_refund
from orders.services.refunding import move_refund
from orders.services.returns import ReceivedLine, announce_return, receive_return
from orders.services.shelf import receive_stock
from orders.services.shipping import mark_delivered, ship_lines
from orders.services.sweeping import expire_holds
from tests.integration.shopping import command, lease_on, line

STAFF = "staff tests"


def placed(sku: str, *, units: int = 1, method: str = "pm_card_visa") -> Order:
    receive_stock(sku, 5, "test")
    return place_order(command(line(sku, units), payment_method=method))


def asked(sku: str, *, units: int = 1, method: str = "pm_card_visa") -> Order:
    """The bank has answered."""
    order = placed(sku, units=units, method=method)
    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.get().pk, lease)
    return told(order)


def packed(sku: str, *, units: int = 1, method: str = "pm_card_visa") -> Order:
    order = asked(sku, units=units, method=method)
    with lease_on(order) as lease:
        deduct_inventory(order.pk, lease)
    return told(order)


def shipped(sku: str, *, units: int = 1) -> tuple[Order, Shipment]:
    order = packed(sku, units=units)
    parcel = ship_lines(order.pk, form_key=uuid4(), actor=STAFF)
    return told(order), parcel


def delivered(sku: str, *, units: int = 1) -> Order:
    order, parcel = shipped(sku, units=units)
    mark_delivered(parcel.pk, actor=STAFF)
    return told(order)


def announced(sku: str) -> tuple[Order, Return]:
    order = delivered(sku)
    coming = announce_return(order.pk, form_key=uuid4(), lines=(), reason="", actor="shopper")
    return told(order), coming


def returned(sku: str) -> Order:
    order, coming = announced(sku)
    came = (ReceivedLine(order.lines.get().pk, 1, 0),)
    receive_return(coming.pk, received=came, refund_cents=None, actor=STAFF)
    return sent_back(order)


def declined(sku: str) -> Order:
    return asked(sku, method="pm_card_visa_chargeDeclined")


def expired(sku: str) -> Order:
    order = declined(sku)
    Order.objects.filter(pk=order.pk).update(hold_expires_at=Now() - timedelta(seconds=1))
    expire_holds()
    return told(order)


def cancelled(order: Order) -> Order:
    cancel_order(order.pk, actor=STAFF, reason="test")
    return sent_back(order)


def refund_of(order: Order, cents: int | None = None, *, units: int = 0) -> Refund:
    """Asked for, not sent yet."""
    lines = (LineQuantity(order.lines.get().pk, units),) if units else ()
    wish = RequestRefund(order.pk, str(uuid4()), "test", STAFF, lines=lines, amount_cents=cents)
    return request_refund(wish)[0]


def refunded(order: Order, cents: int | None = None, *, units: int = 0) -> Refund:
    refund = refund_of(order, cents, units=units)
    sent_back(order)
    refund.refresh_from_db()
    return refund


def sent_back(order: Order) -> Order:
    """Every refund that was asked for has been sent."""
    for refund in order.refunds.all():
        with lease_on(order) as lease:
            move_refund(order.pk, refund.pk, lease)
    return told(order)


def told(order: Order) -> Order:
    """Every mail that was owed counts as sent."""
    waiting = order.notifications.filter(status=Notification.Status.PENDING)
    waiting.update(status=Notification.Status.SENT, sent_at=Now())
    order.refresh_from_db()
    return order
