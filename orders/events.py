"""Which domain events exist, and what they tell. One function each, called where it happens.

Called inside the transaction of the transition, after the order's row was changed. No event holds
personal data: a stream cannot forget. docs/events says how to add one.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings

from orders import listeners
from orders.models import Notification, Order, Payment, Refund, Return, Shipment
from tasks.events import schemas
from tasks.events.emit import emit

Facts = Callable[[], dict[str, Any]]


def order_placed(order: Order) -> None:
    _tell("order.placed", order, order.pk, lambda: _money(order))


def order_paid(order: Order, payment: Payment) -> None:
    _tell("order.paid", order, payment.pk, lambda: {"payment_id": payment.pk, **_money(order)})


def order_expired(order: Order) -> None:
    _tell("order.expired", order, order.pk, lambda: {"lines": _units(order)})


def order_cancelled(order: Order) -> None:
    _tell("order.cancelled", order, order.pk, lambda: {"lines": _units(order)})


def payment_declined(order: Order, payment: Payment, code: str) -> None:
    facts = {"payment_id": payment.pk, "code": code[:60]}
    _tell("payment.declined", order, payment.pk, lambda: facts)


def payment_retried(order: Order, payment: Payment) -> None:
    _tell("payment.retried", order, payment.pk, lambda: {"payment_id": payment.pk})


def payment_unknown(order: Order, payment: Payment) -> None:
    _tell("payment.unknown", order, payment.pk, lambda: {"payment_id": payment.pk})


def payment_action_required(order: Order, payment: Payment) -> None:
    _tell("payment.action_required", order, payment.pk, lambda: {"payment_id": payment.pk})


def payment_late(order: Order, payment: Payment, *, kept: bool) -> None:
    """``kept``: the order was revived; otherwise the money goes back."""
    facts = {
        "payment_id": payment.pk,
        "currency": payment.currency,
        "amount_cents": payment.amount_cents,
        "kept": kept,
    }
    _tell("payment.late", order, payment.pk, lambda: facts)


def stock_deducted(order: Order) -> None:
    _tell("stock.deducted", order, order.pk, lambda: {"lines": _units(order)})


def shipment_shipped(shipment: Shipment) -> None:
    def facts() -> dict[str, Any]:
        lines = [
            {"sku": row.line.sku, "quantity": row.quantity}
            for row in shipment.lines.select_related("line")
        ]
        return {"shipment_id": shipment.pk, "carrier": shipment.carrier, "lines": lines}

    _tell("shipment.shipped", shipment.order, shipment.pk, facts)


def shipment_delivered(shipment: Shipment) -> None:
    facts = {"shipment_id": shipment.pk}
    _tell("shipment.delivered", shipment.order, shipment.pk, lambda: facts)


def refund_moved(refund: Refund) -> None:
    facts = {
        "refund_id": refund.pk,
        "payment_id": refund.payment_id,
        "currency": refund.currency,
        "amount_cents": refund.amount_cents,
    }
    _tell("refund.moved", refund.order, refund.pk, lambda: facts)


def return_received(returned: Return) -> None:
    def facts() -> dict[str, Any]:
        lines = [
            {"sku": row.line.sku, "received": row.received, "restocked": row.restocked}
            for row in returned.lines.select_related("line")
        ]
        return {"return_id": returned.pk, "lines": lines}

    _tell("return.received", returned.order, returned.pk, facts)


def notification_sent(notification: Notification) -> None:
    facts = {"kind": notification.kind, "channel": notification.channel}
    _tell("notification.sent", notification.order, notification.pk, lambda: facts)


def _tell(event_type: str, order: Order, about: int, facts: Facts) -> None:
    """To the stream and to whoever listens, each of which may be absent.

    ``about`` is the primary key of what it happened to: with the type it is the event's cause.
    """
    schemas.ensure_known(event_type, listeners.VERSION)
    endpoints = listeners.listening(event_type)
    if not endpoints and not settings.EVENT_SINK_URL:
        return  # nothing is read for nobody
    data = {"order_id": order.pk, "number": order.number, **facts()}
    listeners.owe(endpoints, event_type, order, data, cause=f"{event_type}:{about}")
    emit(event_type, subject=order.subject, data=data)


def _money(order: Order) -> dict[str, Any]:
    lines = [
        {
            "sku": line.sku,
            "title": line.title,
            "quantity": line.quantity,
            "unit_price_cents": line.unit_price_cents,
        }
        for line in order.lines.all()
    ]
    return {"currency": order.currency, "total_cents": order.total_cents, "lines": lines}


def _units(order: Order) -> list[dict[str, Any]]:
    return [{"sku": line.sku, "quantity": line.quantity} for line in order.lines.all()]
