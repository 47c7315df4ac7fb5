"""Taking the money: one committed key per payment, asked again until the bank's answer is known."""

from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.urls import reverse

from orders import events, metrics, task_names
from orders.errors import NotPayable
from orders.gateways.chosen import get_gateway
from orders.gateways.payment import (
    ActionRequired,
    Attempted,
    Captured,
    CaptureRequest,
    Declined,
    Voided,
)
from orders.locked import honest_about_locks
from orders.locks import claim_order, fenced_update, move_order
from orders.models import Notification, Order, Payment
from orders.services.cards import Card
from orders.services.notification import announce
from orders.services.timeline import SHOPPER, WORKER, record_event
from orders.states import UNSETTLED_PAYMENTS, OrderStatus, PaymentStatus
from tasks.errors import OutcomeUnknown, Permanent
from tasks.locks.held import HeldLease
from tasks.outbox import enqueue
from tasks.spans import call_span

log = structlog.get_logger(__name__)


def open_payment(order: Order, card: Card, *, form_key: UUID) -> Payment:
    """Commit the intent to charge, and the message that does it, in the caller's transaction."""
    payment = Payment.objects.create(
        order=order,
        form_key=form_key,
        amount_cents=order.total_cents,
        currency=order.currency,
        payment_method=card.payment_method,
        card_brand=card.brand,
        card_last4=card.last4,
    )
    enqueue_capture(payment)
    return payment


def enqueue_capture(payment: Payment) -> None:
    enqueue(
        task_names.CAPTURE_PAYMENT,
        {"order_id": payment.order_id, "payment_id": payment.pk},
        subject=f"order:{payment.order_id}",
    )


def retry_payment(order_id: int, card: Card, idempotency_key: UUID) -> None:
    """Try another card after a decline, while the stock is still held.

    ``idempotency_key`` is drawn with the form: sent twice, it makes one payment. Raises NotPayable
    when the order is not waiting for a card, Busy when the database could not be had in time.
    """
    if Payment.objects.filter(form_key=idempotency_key, order_id=order_id).exists():
        return
    try:
        with honest_about_locks(), transaction.atomic():
            moved = move_order(
                order_id,
                OrderStatus.PAYMENT_FAILED,
                OrderStatus.PLACED,
                where={"hold_expires_at__gt": Now()},
            )
            if not moved:
                raise NotPayable(
                    "This order is not waiting for a card. The page shows where it stands."
                )
            record_event(order_id, "card_changed", "Another card was given.", actor=SHOPPER)
            order = Order.objects.get(pk=order_id)
            events.payment_retried(order, open_payment(order, card, form_key=idempotency_key))
    except IntegrityError:
        if not Payment.objects.filter(form_key=idempotency_key, order_id=order_id).exists():
            raise
    except NotPayable:
        # The twin of this very form may have moved the order between our look and our update.
        if not Payment.objects.filter(form_key=idempotency_key, order_id=order_id).exists():
            raise


def capture_payment(order_id: int, payment_id: int, lease: HeldLease) -> None:
    """Ask the provider to take the money, then write down what became of it.

    Safe to run any number of times: the provider knows the payment's key, and each transition
    happens once. Raises what the gateway raises (Transient, OutcomeUnknown, Permanent) and
    LeaseLost; in every case the same payment may simply be captured again.
    """
    claim_order(order_id, lease.token)
    payment = Payment.objects.select_related("order").get(pk=payment_id, order_id=order_id)
    if payment.status not in UNSETTLED_PAYMENTS:
        return
    try:
        with call_span("capture", order=payment.order.number, payment_id=payment_id):
            result = _settled(get_gateway().capture(_request(payment)), payment)
    except OutcomeUnknown:
        _mark_unknown(payment, lease)
        raise
    log.info("bank_answered", answer=type(result).__name__, payment_id=payment_id)
    # Whatever happens to the lease here, the money's fate can be asked for again under the key.
    lease.ensure()
    match result:
        case Captured():
            _settle_captured(payment, result, lease)
        case Declined():
            _settle_declined(payment, result, lease)


def _settled(answer: Attempted, payment: Payment) -> Captured | Declined:
    """This shop has no way yet to send the shopper to their bank: what waits for them is closed."""
    if not isinstance(answer, ActionRequired):
        return answer
    key = f"{payment.idempotency_key}:cancel"
    settled = get_gateway().void(answer.reference, key)
    if isinstance(settled, Voided):
        return Declined(answer.reference, "authentication_required")
    return settled


def _request(payment: Payment) -> CaptureRequest:
    return CaptureRequest(
        idempotency_key=str(payment.idempotency_key),
        amount_cents=payment.amount_cents,
        currency=payment.currency,
        payment_method=payment.payment_method,
        order_number=payment.order.number,
        payment_id=payment.pk,
        description=f"Order {payment.order.number}",
        return_url=settings.SITE_URL + reverse("shop:order", args=[payment.order.token]),
    )


def _mark_unknown(payment: Payment, lease: HeldLease) -> None:
    with transaction.atomic():
        waits = fenced_update(payment.order_id, lease.token, where={"status": OrderStatus.PLACED})
        pending = Payment.objects.filter(pk=payment.pk, status=PaymentStatus.PENDING)
        if waits and pending.update(status=PaymentStatus.UNKNOWN):
            record_event(
                payment.order_id,
                "bank_silent",
                "The bank has not answered yet. It is asked again under the same key.",
                actor=WORKER,
            )
            events.payment_unknown(payment.order, payment)


def _settle_captured(payment: Payment, result: Captured, lease: HeldLease) -> None:
    with transaction.atomic():
        paid = fenced_update(
            payment.order_id,
            lease.token,
            where={"status": OrderStatus.PLACED},
            status=OrderStatus.PAID,
            paid_at=Now(),
        )
        if not paid:
            _refuse_if_open(payment, f"took {result.amount_cents} ({result.reference})")
            return
        _close(
            payment,
            PaymentStatus.CAPTURED,
            gateway_reference=result.reference,
            card_brand=result.card_brand or payment.card_brand,
            card_last4=result.card_last4 or payment.card_last4,
        )
        record_event(payment.order_id, "paid", f"Paid with {payment.card_label}.", actor=WORKER)
        events.order_paid(payment.order, payment)
        enqueue(
            task_names.DEDUCT_INVENTORY,
            {"order_id": payment.order_id},
            subject=payment.order.subject,
        )


def _settle_declined(payment: Payment, result: Declined, lease: HeldLease) -> None:
    with transaction.atomic():
        failed = fenced_update(
            payment.order_id,
            lease.token,
            where={"status": OrderStatus.PLACED},
            status=OrderStatus.PAYMENT_FAILED,
        )
        if not failed:
            _refuse_if_open(payment, "declined")
            return
        _close(
            payment,
            PaymentStatus.DECLINED,
            gateway_reference=result.reference,
            decline_code=result.code,
            decline_message=result.message,
        )
        record_event(payment.order_id, "declined", result.message, actor=WORKER)
        events.payment_declined(payment.order, payment, result.code)
        announce(
            payment.order,
            Notification.Kind.PAYMENT_DECLINED,
            cause=f"payment:{payment.pk}",
        )


def _close(payment: Payment, status: PaymentStatus, **changes: str) -> None:
    """Settle a payment whose order was just moved. If it is not open any more, both are left alone:
    an order must not become paid by a payment that was settled otherwise."""
    unsettled = Payment.objects.filter(pk=payment.pk, status__in=UNSETTLED_PAYMENTS)
    if not unsettled.update(status=status, settled_at=Now(), **changes):
        raise Permanent(
            f"Payment {payment.pk} is settled already, but its order was waiting. "
            "Run 'manage.py audit' and look at the order's timeline before redriving."
        )
    metrics.payment_settled(status)


def _refuse_if_open(payment: Payment, answer: str) -> None:
    """A twin under an earlier lease has settled the payment: fine. An answer that fits nothing is
    for a person to look at, and is never dropped."""
    payment.refresh_from_db(fields=["status"])
    if payment.status in UNSETTLED_PAYMENTS:
        raise Permanent(
            f"The bank {answer} for payment {payment.pk}, but its order does not wait for one. "
            "Look at the order's timeline and at the bank's ledger before redriving."
        )
