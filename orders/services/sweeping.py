"""The other end of every promise: what does not finish by itself is found and moved on.

The sweeps may run twice or side by side: each change is conditional, each message idempotent. Which
state has which age limit and which sweep is listed in docs/sweeps.md.
"""

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from orders import events, metrics, task_names
from orders.locks import move_order
from orders.models import Notification, Order, Payment
from orders.services import stock
from orders.services.notification import announce, enqueue_mail
from orders.services.payment import enqueue_capture
from orders.services.timeline import SWEEPER, record_event
from orders.states import UNSETTLED_PAYMENTS, FulfilmentStatus, OrderStatus
from tasks.outbox import enqueue
from tasks.sweeping import in_hand, overdue, sweep


def expire_holds() -> int:
    """Give back the stock of orders whose card failed and whose hold has ended; how many.

    An order with a payment in flight is never touched: its money may have moved.
    """
    declined = Order.objects.filter(status=OrderStatus.PAYMENT_FAILED)
    return sweep(overdue(declined, since="hold_expires_at"), _expire)


def _expire(order: Order) -> bool:
    with transaction.atomic():
        # The shopper may have given another card since we looked: then it is not ours to expire.
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
            metrics.order_expired()
    return moved


def resume_stuck_orders() -> int:
    """Send the next message again for work that has stood still too long; how many.

    Least recently tried first, so that a few hopeless ones cannot starve the rest. What already
    has a message waiting, or a dead letter that a person must look at, is left alone.
    """
    return sweep(stuck_orders(), _resume) + sweep(stuck_notifications(), _resend)


def stuck_orders() -> QuerySet[Order]:
    """Orders between two states for longer than ``STUCK_AFTER_SECONDS``."""
    unfinished = Order.objects.filter(
        Q(status=OrderStatus.PLACED)
        | Q(status=OrderStatus.PAID, fulfilment=FulfilmentStatus.UNFULFILLED)
    )
    return overdue(unfinished, since="changed_at", after_seconds=settings.STUCK_AFTER_SECONDS)


def stuck_notifications() -> QuerySet[Notification]:
    unsent = Notification.objects.filter(status=Notification.Status.PENDING)
    return overdue(unsent, since="created_at", after_seconds=settings.STUCK_AFTER_SECONDS)


def _resume(order: Order) -> bool:
    if in_hand(order.subject):
        return False
    with transaction.atomic():
        if order.status == OrderStatus.PAID:
            enqueue(task_names.DEDUCT_INVENTORY, {"order_id": order.pk}, subject=order.subject)
            metrics.resumed(task_names.DEDUCT_INVENTORY)
        else:
            payment = Payment.objects.filter(order=order, status__in=UNSETTLED_PAYMENTS).first()
            if payment is None:
                return False
            enqueue_capture(payment)
            metrics.resumed(task_names.CAPTURE_PAYMENT)
        record_event(
            order.pk, "resumed", "Stood still; its next step was sent again.", actor=SWEEPER
        )
        return True


def _resend(notification: Notification) -> bool:
    if in_hand(f"notification:{notification.pk}"):
        return False
    with transaction.atomic():
        enqueue_mail(notification)
        metrics.resumed(task_names.SEND_NOTIFICATION)
    return True
