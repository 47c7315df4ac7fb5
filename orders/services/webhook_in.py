"""What the provider tells us by itself: stored first, then answered by asking the provider.

An event is a hint and never the truth, so its age, its order and its repetition do not matter: the
worker that it wakes asks how things stand now, and takes the same locked step as everybody else.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from orders import metrics, task_names
from orders.gateways.webhook_in import WebhookMessage, message_in
from orders.models import Payment, Refund, WebhookEvent
from orders.services.payment import enqueue_capture
from orders.services.refund import enqueue_refund
from orders.states import UNSETTLED_PAYMENTS, PaymentStatus, RefundStatus
from tasks.outbox import enqueue
from tasks.storable import storable
from tasks.sweeping import in_hand, overdue, sweep

log = structlog.get_logger(__name__)

# The worker that took the money is usually about to write it down, and then there is nothing to do.
_WORKER_IS_AT_IT_SECONDS = 5.0
_PAID = "payment_intent.succeeded"
_NOTHING_WENT_BACK = ("failed", "canceled")


class Step(Enum):
    """What an event makes us do."""

    CAPTURE = "The bank is asked about the payment."
    RECHECK = "The payment is closed here; the bank's books are read."
    MOVE_REFUND = "The bank is asked about the refund."
    NONE = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``note`` is for staff: what was made of the event, and why. ``alarming``: a person should
    look at it."""

    step: Step
    note: str
    alarming: bool = False


def verdict_on(message: WebhookMessage, payment: Payment | None, refund: Refund | None) -> Verdict:
    """What to do about an event of ours. Pure."""
    if message.type.startswith("refund.") or message.type == "charge.refund.updated":
        return _on_refund(message, refund)
    if not message.type.startswith("payment_intent."):
        return Verdict(Step.NONE, "Not a kind of event that matters here.")
    return _on_payment(message, payment)


def _on_payment(message: WebhookMessage, payment: Payment | None) -> Verdict:
    if payment is None:
        return Verdict(Step.NONE, "No payment of this shop.")
    if payment.status in UNSETTLED_PAYMENTS:
        return Verdict(Step.CAPTURE, Step.CAPTURE.value)
    if message.type != _PAID:
        return Verdict(Step.NONE, f"The payment is {payment.status} already.")
    if payment.status != PaymentStatus.CAPTURED:
        return Verdict(Step.RECHECK, Step.RECHECK.value)
    if payment.gateway_reference != message.intent_reference:
        return Verdict(
            Step.NONE,
            f"Money moved a second time, as {message.intent_reference}: run 'manage.py audit'.",
            alarming=True,
        )
    return Verdict(Step.NONE, "The payment is captured already.")


def _on_refund(message: WebhookMessage, refund: Refund | None) -> Verdict:
    if refund is None:
        return Verdict(
            Step.NONE, "No refund that this shop asked for: run 'manage.py audit'.", alarming=True
        )
    came_back = message.status in _NOTHING_WENT_BACK
    if refund.status == RefundStatus.REFUSED or (
        refund.status == RefundStatus.MOVED and not came_back
    ):
        return Verdict(Step.NONE, f"The refund is {refund.status} already.")
    return Verdict(Step.MOVE_REFUND, Step.MOVE_REFUND.value)


def receive_webhook(message: WebhookMessage) -> bool:
    """Store an event and owe its handling, in one transaction; False when it was stored before.

    Once this returns, the provider may forget the event. What changes nothing, such as the news of
    a payment that our own worker has just captured, is stored as done and needs no worker.
    """
    payment, refund = _payment_of(message), _refund_of(message)
    verdict = verdict_on(message, payment, refund)
    done = _outcome(verdict) if verdict.step is Step.NONE else {}
    with transaction.atomic():
        # Of two deliveries at once the second waits for the first to commit, and then finds it.
        event, is_new = WebhookEvent.objects.get_or_create(
            event_id=storable(message.event_id),
            defaults={
                "type": storable(message.type)[:80],
                "payload": storable(message.payload),
                "happened_at": message.created_at,
                **done,
            },
        )
        if is_new and not done:
            _enqueue_handling(event, delay_seconds=_delay_seconds(payment))
        metrics.webhook_received("stored" if is_new else "replayed")
    if is_new and done:
        _tell(event, verdict)
    return is_new


def handle_webhook(event_pk: int) -> None:
    """Wake whoever asks the provider about what the event is about. Any number of runs are one."""
    event = WebhookEvent.objects.get(pk=event_pk)
    message = message_in(event.payload)
    payment, refund = _payment_of(message), _refund_of(message)
    verdict = verdict_on(message, payment, refund)
    with transaction.atomic():
        received = WebhookEvent.objects.filter(pk=event.pk, status=WebhookEvent.Status.RECEIVED)
        # Zero rows: a twin has handled it, and has woken whoever had to be woken.
        if not received.update(**_outcome(verdict)):
            return
        match verdict.step, payment, refund:
            case Step.CAPTURE, Payment(), _:
                # The key is that of 'ask_again': the browser's return and we are one question.
                enqueue_capture(payment, dedupe_key=f"ask:{payment.pk}")
            case Step.RECHECK, Payment(), _:
                _enqueue_recheck(payment)
            case Step.MOVE_REFUND, _, Refund():
                enqueue_refund(refund)
    _tell(event, verdict)


def _outcome(verdict: Verdict) -> dict[str, Any]:
    status = WebhookEvent.Status
    return {
        "status": status.IGNORED if verdict.step is Step.NONE else status.HANDLED,
        "note": verdict.note[:300],
        "handled_at": Now(),
    }


def _tell(event: WebhookEvent, verdict: Verdict) -> None:
    say = log.error if verdict.alarming else log.info
    say("webhook_handled", event_id=event.event_id, type=event.type, note=verdict.note)


def resume_webhooks() -> int:
    """Send the message again for events that nobody has handled for too long; how many."""
    return sweep(stuck_webhooks(), _resume)


def stuck_webhooks() -> QuerySet[WebhookEvent]:
    received = WebhookEvent.objects.filter(status=WebhookEvent.Status.RECEIVED)
    return overdue(received, since="received_at", after_seconds=settings.STUCK_AFTER_SECONDS)


def _resume(event: WebhookEvent) -> bool:
    if in_hand(_subject(event)):
        return False
    with transaction.atomic():
        _enqueue_handling(event)
        metrics.resumed(task_names.HANDLE_WEBHOOK)
    return True


def _subject(event: WebhookEvent) -> str:
    return f"webhook_event:{event.pk}"


def _enqueue_handling(event: WebhookEvent, *, delay_seconds: float = 0.0) -> None:
    enqueue(
        task_names.HANDLE_WEBHOOK,
        {"event_id": event.pk},
        subject=_subject(event),
        delay_seconds=delay_seconds,
    )


def _enqueue_recheck(payment: Payment) -> None:
    enqueue(
        task_names.RECHECK_PAYMENT,
        {"order_id": payment.order_id, "payment_id": payment.pk},
        subject=f"order:{payment.order_id}",
        dedupe_key=f"recheck:{payment.pk}",
    )


def _delay_seconds(payment: Payment | None) -> float:
    """A shopper who comes back from the bank is waiting for us; everybody else has time."""
    at_the_bank = payment is not None and payment.status == PaymentStatus.ACTION_REQUIRED
    return 0.0 if at_the_bank else _WORKER_IS_AT_IT_SECONDS


def _payment_of(message: WebhookMessage) -> Payment | None:
    """By our own id, if the order's number is ours as well: another shop may share the account."""
    payments = Payment.objects.select_related("order")
    if message.payment_id is not None:
        return payments.filter(pk=message.payment_id, order__number=message.order_number).first()
    if message.intent_reference:
        return payments.filter(gateway_reference=message.intent_reference).first()
    return None


def _refund_of(message: WebhookMessage) -> Refund | None:
    if message.refund_id is not None:
        return Refund.objects.filter(
            pk=message.refund_id, order__number=message.order_number
        ).first()
    if message.refund_reference:
        return Refund.objects.filter(gateway_reference=message.refund_reference).first()
    return None
