"""The other end of every promise: what does not finish by itself is found and moved on.

The sweeps may run twice or side by side: each change is conditional, each message idempotent. Which
state has which age limit and which sweep is listed in docs/sweeps.md.
"""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from orders import events, metrics, task_names
from orders.locks import move_order
from orders.models import Notification, Order, Payment, Refund
from orders.services import stock
from orders.services.notification import announce, enqueue_mail
from orders.services.payment import enqueue_capture
from orders.services.refund import enqueue_refund
from orders.services.timeline import SWEEPER, record_event
from orders.states import (
    OPEN_REFUNDS,
    UNSETTLED_PAYMENTS,
    FulfilmentStatus,
    OrderStatus,
    PaymentStatus,
)
from tasks.outbox import enqueue
from tasks.sweeping import in_hand, overdue, sweep

_REMINDERS = 500


def expire_holds() -> int:
    """Give back the stock of orders whose card failed and whose hold has ended; how many.

    An order with a payment in flight is never touched: its money may have moved.
    """
    declined = Order.objects.filter(status=OrderStatus.PAYMENT_FAILED)
    return sweep(overdue(declined, since="hold_expires_at"), _expire)


def expire_hold(order_id: int) -> bool:
    """As the sweep, at once and for one order; False when it is not due or not declined."""
    order = Order.objects.filter(pk=order_id, status=OrderStatus.PAYMENT_FAILED).first()
    return order is not None and _expire(order)


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
    return (
        sweep(stuck_orders(), _resume)
        + sweep(unwanted_payments(), _resume_payment)
        + sweep(unvisited_banks(), _resume_payment)
        + sweep(stuck_refunds(), _resume_refund)
        + sweep(stuck_notifications(), _resend)
    )


def remind_of_holds() -> int:
    """Tell shoppers whose card failed, or whom the bank wants to see, that their things are kept
    for ``REMIND_BEFORE_SECONDS`` more; how many. Shorter holds than twice that need no reminder."""
    if settings.HOLD_SECONDS < 2 * settings.REMIND_BEFORE_SECONDS:
        return 0
    told = Notification.objects.filter(kind=Notification.Kind.HOLD_EXPIRING, order=OuterRef("pk"))
    soon = Order.objects.filter(
        Q(status=OrderStatus.PAYMENT_FAILED)
        | Q(status=OrderStatus.PLACED, payments__status=PaymentStatus.ACTION_REQUIRED),
        ~Exists(told),
        hold_expires_at__gt=Now(),
        hold_expires_at__lte=Now() + timedelta(seconds=settings.REMIND_BEFORE_SECONDS),
    ).distinct()
    orders = list(soon.order_by("hold_expires_at")[:_REMINDERS])
    for order in orders:
        with transaction.atomic():
            announce(order, Notification.Kind.HOLD_EXPIRING)
    return len(orders)


def stuck_orders() -> QuerySet[Order]:
    """Orders between two states for longer than ``STUCK_AFTER_SECONDS``."""
    return overdue(
        unfinished_orders(), since="changed_at", after_seconds=settings.STUCK_AFTER_SECONDS
    )


def unfinished_orders() -> QuerySet[Order]:
    """Orders whose next step is ours: not the shopper's, whom the bank wants to see."""
    shoppers = Payment.objects.filter(order=OuterRef("pk"), status=PaymentStatus.ACTION_REQUIRED)
    return Order.objects.filter(
        Q(status=OrderStatus.PLACED) & ~Exists(shoppers)
        | Q(status=OrderStatus.PAID, fulfilment=FulfilmentStatus.UNFULFILLED)
    )


def unwanted_payments() -> QuerySet[Payment]:
    """Payments that were asked for and whose order does not wait for them any more."""
    unwanted = Payment.objects.filter(status__in=UNSETTLED_PAYMENTS).exclude(
        order__status=OrderStatus.PLACED
    )
    return overdue(unwanted, since="created_at", after_seconds=settings.STUCK_AFTER_SECONDS)


def unvisited_banks() -> QuerySet[Payment]:
    """Payments that wait for a shopper at the bank although the hold has ended."""
    waiting = Payment.objects.filter(
        status=PaymentStatus.ACTION_REQUIRED, order__hold_expires_at__lte=Now()
    )
    return overdue(waiting, since="created_at")


def stuck_refunds() -> QuerySet[Refund]:
    waiting = Refund.objects.filter(status__in=OPEN_REFUNDS)
    return overdue(waiting, since="created_at", after_seconds=settings.STUCK_AFTER_SECONDS)


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


def _resume_payment(payment: Payment) -> bool:
    if in_hand(f"order:{payment.order_id}"):
        return False
    with transaction.atomic():
        enqueue_capture(payment)
        metrics.resumed(task_names.CAPTURE_PAYMENT)
    return True


def _resume_refund(waiting: Refund) -> bool:
    if in_hand(f"order:{waiting.order_id}"):
        return False
    with transaction.atomic():
        enqueue_refund(waiting)
        metrics.resumed(task_names.MOVE_REFUND)
    return True


def _resend(notification: Notification) -> bool:
    if in_hand(f"notification:{notification.pk}"):
        return False
    with transaction.atomic():
        enqueue_mail(notification)
        metrics.resumed(task_names.SEND_NOTIFICATION)
    return True
