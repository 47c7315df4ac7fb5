"""Taking an order back before anything of it was shipped: its units, and its money if any came."""

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from orders import events, metrics
from orders.errors import NotCancellable
from orders.locked import honest_about_locks
from orders.locks import lock_order
from orders.models import Notification, Order, OrderLine, Payment
from orders.services import refund, stock
from orders.services.notification import announce
from orders.services.timeline import record_event
from orders.states import (
    DEDUCTED,
    UNSETTLED_PAYMENTS,
    FulfilmentStatus,
    OrderStatus,
    PaymentStatus,
    may_become,
)

log = structlog.get_logger(__name__)

_BEFORE_PARCELS = (FulfilmentStatus.UNFULFILLED, FulfilmentStatus.PACKED)


def may_cancel(order: Order) -> bool:
    """Whether nothing stands against cancelling it. Pure."""
    return (
        may_become(OrderStatus(order.status), OrderStatus.CANCELLED)
        and order.fulfilment in _BEFORE_PARCELS
    )


def cancel_order(order_id: int, *, actor: str, reason: str, restock: bool = True) -> None:
    """Cancel the order: its units go back (packed ones are written off unless ``restock``), money
    that came is refunded, and money that is still on its way will be.

    A second time does nothing. Raises NotCancellable, Busy.
    """
    with honest_about_locks(), transaction.atomic():
        order = lock_order(order_id)
        if order.status == OrderStatus.CANCELLED:
            return
        if not may_cancel(order):
            raise NotCancellable(_why_not(order))
        if not reason.strip():
            raise NotCancellable("Say why the order is cancelled. Its timeline keeps it.")
        Order.objects.filter(pk=order_id).update(
            status=OrderStatus.CANCELLED, cancelled_at=Now(), changed_at=Now()
        )
        _drop_unasked_payment(order)
        record_event(order_id, "cancelled", f"Cancelled: {reason}", actor=actor)
        announce(order, Notification.Kind.ORDER_CANCELLED)
        events.order_cancelled(order)
        _give_money_back(order, reason, actor)
        _give_units_back(order, reason, actor, restock=restock)
        metrics.order_cancelled()
    log.info("order_cancelled", order=f"order:{order_id}", actor=actor)


def _drop_unasked_payment(order: Order) -> None:
    """A payment that the provider was never asked about moves nothing from here on: the worker
    announces its question under the order's lock, and will find the payment cancelled. One that
    was asked about stays open; its worker finds out, and refunds what came."""
    unasked = Payment.objects.filter(
        order=order, status__in=UNSETTLED_PAYMENTS, asked_at__isnull=True
    )
    if unasked.update(status=PaymentStatus.CANCELLED, settled_at=Now()):
        metrics.payment_settled(PaymentStatus.CANCELLED)


def _give_money_back(order: Order, reason: str, actor: str) -> None:
    captured = order.payments.filter(status=PaymentStatus.CAPTURED)
    left = sum(payment.refundable_cents for payment in captured)
    if left:
        units = {line: line.refundable for line in order.lines.all() if line.refundable}
        refund.reserve(
            order, cause="cancelled", amount_cents=left, reason=reason, actor=actor, units=units
        )


def _give_units_back(order: Order, reason: str, actor: str, *, restock: bool) -> None:
    if order.fulfilment not in DEDUCTED:
        stock.release_holds(order.pk)
        return
    lines = [line for line in order.lines.all() if line.to_ship]
    back = [stock.BackUnits(line, line.to_ship, line.to_ship if restock else 0) for line in lines]
    OrderLine.objects.filter(order=order).update(withdrawn=F("quantity") - F("shipped"))
    stock.return_units(back, cause=f"cancelled:{order.pk}", reason=reason, actor=actor)


def _why_not(order: Order) -> str:
    if order.status == OrderStatus.EXPIRED:
        return "This order has expired already. Nothing was charged, and nothing has to be done."
    return (
        "A parcel of this order is on its way already, so it cannot be cancelled any more. "
        "What has arrived can be sent back."
    )
