"""What happens to orders, as numbers for Prometheus.

Counters tell what this process did, counted once its transaction is committed; over all processes
they add up to what the database says. Gauges tell what waits, and for how long.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Max, QuerySet
from prometheus_client.metrics_core import Metric

from orders.models import (
    Notification,
    Order,
    Payment,
    Refund,
    Return,
    Shipment,
    StaffMail,
    WebhookDelivery,
    WebhookEvent,
)
from orders.states import (
    OPEN_REFUNDS,
    SHIPPABLE,
    FulfilmentStatus,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    ReturnStatus,
    ShipmentStatus,
)
from tasks.ages import age_of
from tasks.metrics.meter import METER, Kind
from tasks.metrics.sources import gauge, register

METER.declare(
    Kind("orders_placed", "Orders taken."),
    Kind("payments_settled", "Payments by the bank's answer.", ("outcome",)),
    Kind("orders_packed", "Orders whose units left the shelf."),
    Kind("orders_expired", "Orders not paid in time; their units went back."),
    Kind("orders_resumed", "Messages sent again for work that stood still.", ("task",)),
    Kind("orders_cancelled", "Orders cancelled by shopper or staff."),
    Kind("late_money", "Money for an order that had ended, by what became of it.", ("outcome",)),
    Kind("refunds_requested", "Refunds asked for."),
    Kind("refunds_settled", "Refunds by the bank's answer.", ("outcome",)),
    Kind("parcels", "Parcels by what happened to them.", ("event",)),
    Kind("returns_received", "Returns that arrived."),
    Kind("mails_sent", "Mails handed over, by kind.", ("kind",)),
    Kind("mails_refused", "Mails refused for good or bounced, by kind.", ("kind",)),
    Kind("staff_mails_sent", "Mails to the staff handed over, by kind.", ("kind",)),
    Kind("webhooks_settled", "Webhooks to other systems by what became of them.", ("outcome",)),
    Kind("webhooks_received", "What the provider told us, by what became of it.", ("outcome",)),
)


def order_placed() -> None:
    METER.count_on_commit("orders_placed")


def payment_settled(status: PaymentStatus) -> None:
    METER.count_on_commit("payments_settled", (status.value,))


def order_packed() -> None:
    METER.count_on_commit("orders_packed")


def order_expired() -> None:
    METER.count_on_commit("orders_expired")


def order_cancelled() -> None:
    METER.count_on_commit("orders_cancelled")


def late_money(outcome: str) -> None:
    """revived, refunded, overpaid"""
    METER.count_on_commit("late_money", (outcome,))


def refund_requested() -> None:
    METER.count_on_commit("refunds_requested")


def refund_settled(status: RefundStatus) -> None:
    METER.count_on_commit("refunds_settled", (status.value,))


def parcel(event: str) -> None:
    """shipped, delivered"""
    METER.count_on_commit("parcels", (event,))


def return_received() -> None:
    METER.count_on_commit("returns_received")


def resumed(task: str) -> None:
    METER.count_on_commit("orders_resumed", (task,))


def mail_sent(kind: str) -> None:
    METER.count_on_commit("mails_sent", (kind,))


def mail_refused(kind: str) -> None:
    METER.count_on_commit("mails_refused", (kind,))


def staff_mail_sent(kind: str) -> None:
    METER.count_on_commit("staff_mails_sent", (kind,))


def webhook_settled(outcome: str) -> None:
    METER.count_on_commit("webhooks_settled", (outcome,))


def webhook_received(outcome: str) -> None:
    """stored, replayed"""
    METER.count_on_commit("webhooks_received", (outcome,))


def webhook_refused() -> None:
    METER.count("webhooks_received", ("refused",))


def waiting() -> Iterable[Metric]:
    """Every state that is not final: how many wait in it, and the longest wait."""
    orders = Order.objects.order_by()
    found = {
        "placed": _waiting(orders.filter(status=OrderStatus.PLACED), "changed_at"),
        "payment_unknown": _waiting(
            Payment.objects.order_by().filter(status=PaymentStatus.UNKNOWN), "created_at"
        ),
        "payment_action_required": _waiting(
            Payment.objects.order_by().filter(status=PaymentStatus.ACTION_REQUIRED), "created_at"
        ),
        "refund_open": _waiting(
            Refund.objects.order_by().filter(status__in=OPEN_REFUNDS), "created_at"
        ),
        "refund_refused": _waiting(
            Refund.objects.order_by().filter(status=RefundStatus.REFUSED), "settled_at"
        ),
        "to_ship": _waiting(
            orders.filter(status=OrderStatus.PAID, fulfilment__in=SHIPPABLE), "packed_at"
        ),
        "parcel_under_way": _waiting(
            Shipment.objects.order_by().filter(status=ShipmentStatus.SHIPPED), "shipped_at"
        ),
        "return_announced": _waiting(
            Return.objects.order_by().filter(status=ReturnStatus.ANNOUNCED), "announced_at"
        ),
        "mail_refused": _waiting(
            Notification.objects.order_by().filter(status=Notification.Status.REFUSED),
            "created_at",
        ),
        "payment_failed": _waiting(orders.filter(status=OrderStatus.PAYMENT_FAILED), "changed_at"),
        "paid": _waiting(
            orders.filter(status=OrderStatus.PAID, fulfilment=FulfilmentStatus.UNFULFILLED),
            "changed_at",
        ),
        "webhook_received": _waiting(
            WebhookEvent.objects.order_by().filter(status=WebhookEvent.Status.RECEIVED),
            "received_at",
        ),
        "mail_pending": _waiting(
            Notification.objects.order_by().filter(status=Notification.Status.PENDING), "created_at"
        ),
        "staff_mail_pending": _waiting(
            StaffMail.objects.order_by().filter(status=StaffMail.Status.PENDING), "created_at"
        ),
        "webhook_pending": _waiting(
            WebhookDelivery.objects.order_by().filter(status=WebhookDelivery.Status.PENDING),
            "owed_at",
        ),
    }
    yield gauge(
        "orders_waiting",
        "What waits in each state that is not final.",
        ("state",),
        {(state,): number for state, (number, _) in found.items()},
    )
    yield gauge(
        "orders_waiting_oldest_seconds",
        "How long the oldest of them has waited.",
        ("state",),
        {(state,): seconds for state, (_, seconds) in found.items()},
    )


def _waiting(rows: "QuerySet[Any]", since: str) -> tuple[int, float]:
    """(how many, the longest wait in seconds by the database's clock)"""
    row = rows.aggregate(number=Count("pk"), oldest=Max(age_of(since)))
    return row["number"], row["oldest"] or 0.0


register("orders", waiting)
