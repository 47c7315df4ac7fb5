"""Which domain events exist, and what they tell. One function each, called where it happens.

Called inside the transaction of the transition, after the order's row was changed. No event holds
personal data: a stream cannot forget. docs/events says how to add one.
"""

from typing import Any

from django.conf import settings

from orders.models import Notification, Order, Payment, Refund, Return, ReturnLine, Shipment
from tasks.events.emit import emit


def order_placed(order: Order) -> None:
    _tell("order.placed", order, **_money(order))


def order_paid(order: Order, payment: Payment) -> None:
    _tell("order.paid", order, payment_id=payment.pk, **_money(order))


def order_expired(order: Order) -> None:
    _tell("order.expired", order, lines=_units(order))


def payment_declined(order: Order, payment: Payment, code: str) -> None:
    _tell("payment.declined", order, payment_id=payment.pk, code=code[:60])


def payment_retried(order: Order, payment: Payment) -> None:
    _tell("payment.retried", order, payment_id=payment.pk)


def payment_unknown(order: Order, payment: Payment) -> None:
    _tell("payment.unknown", order, payment_id=payment.pk)


def payment_action_required(order: Order, payment: Payment) -> None:
    _tell("payment.action_required", order, payment_id=payment.pk)


def payment_late(order: Order, payment: Payment, *, kept: bool) -> None:
    """``kept``: the order was revived; otherwise the money goes back."""
    _tell("payment.late", order, payment_id=payment.pk, kept=kept)


def order_cancelled(order: Order) -> None:
    _tell("order.cancelled", order, lines=_units(order))


def shipment_shipped(shipment: Shipment) -> None:
    _tell(
        "shipment.shipped",
        shipment.order,
        shipment_id=shipment.pk,
        carrier=shipment.carrier,
        lines=_items(shipment),
    )


def shipment_delivered(shipment: Shipment) -> None:
    _tell("shipment.delivered", shipment.order, shipment_id=shipment.pk)


def refund_moved(refund: Refund) -> None:
    _tell(
        "refund.moved",
        refund.order,
        refund_id=refund.pk,
        payment_id=refund.payment_id,
        amount_cents=refund.amount_cents,
        currency=refund.currency,
    )


def return_received(returned: Return) -> None:
    _tell("return.received", returned.order, return_id=returned.pk, lines=_items(returned))


def stock_deducted(order: Order) -> None:
    _tell("stock.deducted", order, lines=_units(order))


def notification_sent(notification: Notification) -> None:
    _tell(
        "notification.sent",
        notification.order,
        kind=notification.kind,
        channel=notification.channel,
    )


def _tell(event_type: str, order: Order, **data: Any) -> None:
    common = {"order_id": order.pk, "number": order.number}
    emit(event_type, subject=order.subject, data={**common, **data})


def _money(order: Order) -> dict[str, Any]:
    lines = [
        {
            "sku": line.sku,
            "title": line.title,
            "quantity": line.quantity,
            "unit_price_cents": line.unit_price_cents,
        }
        for line in _lines(order)
    ]
    return {"currency": order.currency, "total_cents": order.total_cents, "lines": lines}


def _units(order: Order) -> list[dict[str, Any]]:
    return [{"sku": line.sku, "quantity": line.quantity} for line in _lines(order)]


def _items(parcel: Shipment | Return) -> list[dict[str, Any]]:
    if not settings.EVENT_SINK_URL:
        return []
    return [
        {
            "sku": item.line.sku,
            "quantity": item.received if isinstance(item, ReturnLine) else item.quantity,
        }
        for item in parcel.lines.select_related("line")
    ]


def _lines(order: Order) -> list[Any]:
    # Nothing is read for a stream that is off.
    return list(order.lines.all()) if settings.EVENT_SINK_URL else []
