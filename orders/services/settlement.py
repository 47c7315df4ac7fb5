"""What the bank's answer means for the order: one locked, idempotent step for every caller.

Worker, webhook and sweep come here under the order's lease; whoever comes second finds the payment
settled and does nothing.
"""

from datetime import timedelta
from enum import Enum

import structlog
from django.db import transaction
from django.db.models.functions import Now

from orders import events, metrics, task_names
from orders.gateways.chosen import get_gateway
from orders.gateways.payment import ActionRequired, Captured, Declined, Voided
from orders.locks import claim_order, lock_order_fenced
from orders.models import Notification, Order, Payment
from orders.money import format_cents
from orders.services import refund, stock
from orders.services.notification import announce
from orders.services.timeline import PROVIDER, WORKER, record_event
from orders.states import (
    PAYMENT_TRANSITIONS,
    UNSETTLED_PAYMENTS,
    OrderStatus,
    PaymentStatus,
    sources,
)
from tasks.locks.held import HeldLease
from tasks.outbox import enqueue
from tasks.spans import call_span

log = structlog.get_logger(__name__)


class Destination(Enum):
    """Where money that came goes to."""

    PAY = "pays the order"
    REVIVE = "takes the units again, if they are there"
    OVERPAID = "came twice; the staff gives it back"
    SEND_BACK = "goes back by itself"


def destination(status: OrderStatus) -> Destination:
    """Pure: by the state in which the money finds its order."""
    match status:
        case OrderStatus.PLACED | OrderStatus.PAYMENT_FAILED:
            return Destination.PAY
        case OrderStatus.EXPIRED:
            return Destination.REVIVE
        case OrderStatus.PAID:
            return Destination.OVERPAID
        case OrderStatus.CANCELLED:
            return Destination.SEND_BACK


def settle(
    payment: Payment, answer: Captured | Declined | ActionRequired | Voided, lease: HeldLease
) -> None:
    """Write down the answer and what follows from it, in one transaction. Raises LeaseLost."""
    with transaction.atomic():
        order = lock_order_fenced(payment.order_id, lease.token)
        match answer:
            case Captured():
                _captured(order, payment, answer)
            case Declined():
                _declined(order, payment, answer)
            case Voided():
                _voided(order, payment)
            case ActionRequired():
                _action_required(order, payment, answer)


def recheck_payment(order_id: int, payment_id: int, lease: HeldLease) -> None:
    """Read the provider's books about a payment that is declined or cancelled here: they have the
    last word, and money that moved after all is written down. Raises what the gateway raises, and
    LeaseLost."""
    claim_order(order_id, lease.token)
    payment = Payment.objects.select_related("order").get(pk=payment_id, order_id=order_id)
    if payment.status not in sources(PAYMENT_TRANSITIONS, PaymentStatus.CAPTURED):
        return
    with call_span("look up", order=payment.order.number, payment_id=payment_id):
        found = get_gateway().look_up(
            payment_id=payment.pk,
            reference=payment.gateway_reference,
            since=payment.created_at - timedelta(minutes=5),
        )
    lease.ensure()
    if isinstance(found, Captured):
        settle(payment, found, lease)


def mark_unknown(payment: Payment, lease: HeldLease) -> None:
    """The bank did not answer. It is asked again, under the same key, until it does."""
    with transaction.atomic():
        order = lock_order_fenced(payment.order_id, lease.token)
        waiting = Payment.objects.filter(pk=payment.pk, status=PaymentStatus.PENDING)
        if waiting.update(status=PaymentStatus.UNKNOWN):
            record_event(
                order.pk,
                "bank_silent",
                "The bank has not answered yet. It is asked again under the same key.",
                actor=WORKER,
            )
            if order.status == OrderStatus.PLACED:
                announce(order, Notification.Kind.ORDER_PLACED)
            events.payment_unknown(order, payment)


def _captured(order: Order, payment: Payment, answer: Captured) -> None:
    settled = _close(
        payment,
        PaymentStatus.CAPTURED,
        gateway_reference=answer.reference,
        card_brand=answer.card_brand or payment.card_brand,
        card_last4=answer.card_last4 or payment.card_last4,
        redirect_url="",
    )
    if not settled:
        return
    match destination(OrderStatus(order.status)):
        case Destination.PAY:
            _pay(order, payment)
        case Destination.REVIVE:
            _revive(order, payment)
        case Destination.OVERPAID:
            shown = format_cents(payment.amount_cents, payment.currency)
            text = f"{shown} came although the order was paid already."
            record_event(order.pk, "overpaid", text, actor=PROVIDER)
            metrics.late_money("overpaid")
        case Destination.SEND_BACK:
            _send_back(order, payment)


def _pay(order: Order, payment: Payment) -> None:
    _become_paid(order)
    record_event(order.pk, "paid", f"Paid with {payment.card_label}.", actor=WORKER)
    # Another card may have been given meanwhile: if nobody was asked about it, nobody will be.
    unasked = Payment.objects.filter(
        order=order, status__in=UNSETTLED_PAYMENTS, asked_at__isnull=True
    )
    unasked.update(status=PaymentStatus.CANCELLED, settled_at=Now())
    _pack(order, payment)


def _revive(order: Order, payment: Payment) -> None:
    # An erased order has no address left that anything could be sent to.
    held = order.erased_at is None and stock.hold_again(order)
    if not held:
        _send_back(order, payment)
        return
    _become_paid(order)
    record_event(
        order.pk,
        "late_money_kept",
        "The money came after the order had expired. Its things were still there: it is paid.",
        actor=PROVIDER,
    )
    announce(order, Notification.Kind.LATE_MONEY_KEPT, cause=f"payment:{payment.pk}")
    events.payment_late(order, payment, kept=True)
    metrics.late_money("revived")
    _pack(order, payment)


def _send_back(order: Order, payment: Payment) -> None:
    record_event(
        order.pk,
        "late_money_refunded",
        f"The money came after the order was {order.get_status_display()}. It goes back.",
        actor=PROVIDER,
    )
    announce(order, Notification.Kind.LATE_MONEY_REFUNDED, cause=f"payment:{payment.pk}")
    events.payment_late(order, payment, kept=False)
    refund.reserve(
        order,
        cause="late",
        amount_cents=payment.amount_cents,
        reason="The money came too late.",
        actor=WORKER,
    )
    metrics.late_money("refunded")


def _become_paid(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(
        status=OrderStatus.PAID, paid_at=Now(), changed_at=Now()
    )


def _pack(order: Order, payment: Payment) -> None:
    events.order_paid(order, payment)
    enqueue(task_names.DEDUCT_INVENTORY, {"order_id": order.pk}, subject=order.subject)


def _declined(order: Order, payment: Payment, answer: Declined) -> None:
    settled = _close(
        payment,
        PaymentStatus.DECLINED,
        gateway_reference=answer.reference,
        decline_code=answer.code,
        decline_message=answer.message,
        redirect_url="",
    )
    if settled and order.status == OrderStatus.PLACED:
        _fail(order)
        record_event(order.pk, "declined", answer.message, actor=WORKER)
        events.payment_declined(order, payment, answer.code)
        announce(order, Notification.Kind.PAYMENT_DECLINED, cause=f"payment:{payment.pk}")


def _voided(order: Order, payment: Payment) -> None:
    message = "The bank's check was not finished. Nothing was charged."
    settled = _close(payment, PaymentStatus.CANCELLED, decline_message=message, redirect_url="")
    if settled:
        record_event(order.pk, "payment_cancelled", message, actor=WORKER)
    if settled and order.status == OrderStatus.PLACED:
        _fail(order)


def _fail(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.PAYMENT_FAILED, changed_at=Now())


def _action_required(order: Order, payment: Payment, answer: ActionRequired) -> None:
    waits = Payment.objects.filter(
        pk=payment.pk, status__in=sources(PAYMENT_TRANSITIONS, PaymentStatus.ACTION_REQUIRED)
    ).update(
        status=PaymentStatus.ACTION_REQUIRED,
        gateway_reference=answer.reference,
        redirect_url=answer.redirect_url,
    )
    if not waits:
        return
    record_event(order.pk, "action_required", "The bank wants to see the shopper.", actor=WORKER)
    announce(order, Notification.Kind.ACTION_REQUIRED, cause=f"payment:{payment.pk}")
    events.payment_action_required(order, payment)


def _close(payment: Payment, status: PaymentStatus, **changes: str) -> bool:
    """Settle the payment; False when a twin under an earlier lease has done it already."""
    open_for_it = Payment.objects.filter(
        pk=payment.pk, status__in=sources(PAYMENT_TRANSITIONS, status)
    )
    settled = open_for_it.update(status=status, settled_at=Now(), **changes) == 1
    if settled:
        payment.refresh_from_db()
        metrics.payment_settled(status)
    return settled
