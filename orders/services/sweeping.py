"""The other end of every promise: what does not finish by itself is found and moved on.

Both sweeps may run twice or side by side: each change is conditional, each message idempotent.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce, Now

from orders import events, task_names
from orders.locks import move_order
from orders.models import Notification, Order, Payment
from orders.services import stock
from orders.services.notification import announce, enqueue_mail
from orders.services.payment import enqueue_capture
from orders.services.timeline import SWEEPER, record_event
from orders.states import UNSETTLED_PAYMENTS, FulfilmentStatus, OrderStatus
from tasks.dead_letters import needs_a_person
from tasks.models import OutboxMessage
from tasks.outbox import enqueue

log = structlog.get_logger(__name__)

BATCH = 200
Row = TypeVar("Row", Order, Notification)


def expire_holds() -> int:
    """Give back the stock of orders whose card failed and whose hold has ended; how many.

    An order with a payment in flight is never touched: its money may have moved.
    """
    overdue = Order.objects.filter(
        status=OrderStatus.PAYMENT_FAILED, hold_expires_at__lte=Now()
    ).order_by("hold_expires_at")
    return sum(_carefully(_expire, order) for order in overdue[:BATCH])


def _expire(order: Order) -> bool:
    with transaction.atomic():
        moved = move_order(
            order.pk,
            OrderStatus.PAYMENT_FAILED,
            OrderStatus.EXPIRED,
            where={"hold_expires_at__lte": Now()},
        )
        if moved:
            record_event(
                order.pk, "expired", "Not paid in time; the units went back.", actor=SWEEPER
            )
            announce(order, Notification.Kind.ORDER_EXPIRED)
            events.order_expired(order)
            stock.release_holds(order.pk)
    return moved


def resume_stuck_orders() -> int:
    """Send the next message again for work that has stood still too long; how many.

    Least recently tried first, so that a few hopeless ones cannot starve the rest. What already
    has a message waiting, or a dead letter that a person must look at, is left alone.
    """
    return sum(_carefully(_resume, order) for order in stuck_orders()[:BATCH]) + sum(
        _carefully(_resend, mail) for mail in stuck_notifications()[:BATCH]
    )


def stuck_orders() -> QuerySet[Order]:
    """Orders between two states for longer than ``STUCK_AFTER_SECONDS``."""
    limit = Now() - timedelta(seconds=settings.STUCK_AFTER_SECONDS)
    return (
        Order.objects.annotate(touched_at=Coalesce("resumed_at", "changed_at"))
        .filter(
            Q(status=OrderStatus.PLACED)
            | Q(status=OrderStatus.PAID, fulfilment=FulfilmentStatus.UNFULFILLED),
            changed_at__lt=limit,
            touched_at__lt=limit,
        )
        .order_by("touched_at")
    )


def stuck_notifications() -> QuerySet[Notification]:
    limit = Now() - timedelta(seconds=settings.STUCK_AFTER_SECONDS)
    return (
        Notification.objects.annotate(touched_at=Coalesce("resumed_at", "created_at"))
        .filter(status=Notification.Status.PENDING, touched_at__lt=limit)
        .order_by("touched_at")
    )


def _resume(order: Order) -> bool:
    with transaction.atomic():
        # Touch it as we saw it: of two sweeps side by side, the second finds nothing to touch.
        seen = Order.objects.filter(
            pk=order.pk, changed_at=order.changed_at, resumed_at=order.resumed_at
        )
        if not seen.update(resumed_at=Now()) or _in_hand(order.subject):
            return False
        if order.status == OrderStatus.PAID:
            enqueue(task_names.DEDUCT_INVENTORY, {"order_id": order.pk}, subject=order.subject)
        else:
            payment = Payment.objects.filter(order=order, status__in=UNSETTLED_PAYMENTS).first()
            if payment is None:
                return False
            enqueue_capture(payment)
        record_event(
            order.pk, "resumed", "Stood still; its next step was sent again.", actor=SWEEPER
        )
        return True


def _resend(notification: Notification) -> bool:
    with transaction.atomic():
        seen = Notification.objects.filter(pk=notification.pk, resumed_at=notification.resumed_at)
        if not seen.update(resumed_at=Now()) or _in_hand(f"notification:{notification.pk}"):
            return False
        enqueue_mail(notification)
        return True


def _carefully(act: Callable[[Row], bool], row: Row) -> bool:
    """One row that cannot be helped must not keep the sweep from all the others."""
    try:
        return act(row)
    except Exception as error:  # logged, and met again by the next sweep
        log.error("sweep_cannot_help", row=f"{type(row).__name__} {row.pk}", exc_info=error)
        return False


def _in_hand(subject: str) -> bool:
    return OutboxMessage.objects.filter(subject=subject).exists() or needs_a_person(subject)
