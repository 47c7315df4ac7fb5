"""Taking the money: one committed key per payment, asked again until the bank's answer is known.

What an answer means for the order is in ``orders.services.settlement``.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Coalesce, Now
from django.urls import reverse

from orders import events, task_names
from orders.errors import NotPayable
from orders.gateways.chosen import get_gateway
from orders.gateways.payment import (
    ActionRequired,
    Captured,
    CaptureRequest,
    Declined,
    NotFound,
    Voided,
)
from orders.locked import honest_about_locks
from orders.locks import claim_order, lock_order_fenced, move_order
from orders.models import Order, Payment
from orders.services import settlement
from orders.services.cards import Card
from orders.services.timeline import SHOPPER, record_event
from orders.states import UNSETTLED_PAYMENTS, OrderStatus, PaymentStatus
from tasks.errors import OutcomeUnknown
from tasks.locks.held import HeldLease
from tasks.outbox import enqueue
from tasks.spans import call_span

log = structlog.get_logger(__name__)

# Stripe may forget a key after 24 hours; the same request would then be a new payment.
KEY_AGE = timedelta(hours=23)


class Question(Enum):
    """What to ask the provider about an unsettled payment."""

    CAPTURE = "capture"
    LOOK_UP = "look up"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known before the provider is asked; ``now`` by the database's clock."""

    order: OrderStatus
    payment: PaymentStatus
    asked_at: datetime | None
    hold_expires_at: datetime
    now: datetime

    @property
    def wanted(self) -> bool:
        """Whether the order still waits for this money."""
        return self.order == OrderStatus.PLACED

    @property
    def may_wait_for_shopper(self) -> bool:
        return self.wanted and self.hold_expires_at > self.now


def next_question(standing: Standing) -> Question:
    """Pure. Money that nobody wants any more is looked up and never asked for; so is money whose
    key the provider may have forgotten."""
    if not standing.wanted or standing.payment == PaymentStatus.ACTION_REQUIRED:
        return Question.LOOK_UP
    fresh = standing.asked_at is None or standing.now - standing.asked_at < KEY_AGE
    return Question.CAPTURE if fresh else Question.LOOK_UP


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


def enqueue_capture(payment: Payment, *, dedupe_key: str = "", give_up: bool = False) -> None:
    enqueue(
        task_names.CAPTURE_PAYMENT,
        {
            "order_id": payment.order_id,
            "payment_id": payment.pk,
            **({"give_up": True} if give_up else {}),
        },
        subject=f"order:{payment.order_id}",
        dedupe_key=dedupe_key,
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


def ask_again(order_id: int) -> None:
    """Let a worker ask the bank about the order's open payment now: the shopper has come back from
    the bank, or somebody wants to know. Harmless at any time and any number of times."""
    _enqueue_open(order_id, give_up=False)


def give_up_action(order_id: int) -> None:
    """The shopper does not want to go to the bank: let a worker void the payment there, so that
    another card can be given. Harmless at any time; money that moved meanwhile pays the order."""
    _enqueue_open(order_id, give_up=True)


def _enqueue_open(order_id: int, *, give_up: bool) -> None:
    with transaction.atomic():
        open_ones = Payment.objects.filter(order_id=order_id, status__in=UNSETTLED_PAYMENTS)
        for payment in open_ones:
            verb = "give_up" if give_up else "ask"
            enqueue_capture(payment, dedupe_key=f"{verb}:{payment.pk}", give_up=give_up)


def capture_payment(
    order_id: int, payment_id: int, lease: HeldLease, *, give_up: bool = False
) -> None:
    """Ask the provider to take the money, then write down what became of it.

    Safe to run any number of times: the provider knows the payment's key, and each transition
    happens once. ``give_up``: do not wait for the shopper any longer. Raises what the gateway
    raises (Transient, OutcomeUnknown, Permanent) and LeaseLost; in every case the same payment may
    simply be captured again.
    """
    claim_order(order_id, lease.token)
    payment = Payment.objects.select_related("order").get(pk=payment_id, order_id=order_id)
    if payment.status not in UNSETTLED_PAYMENTS:
        return
    standing = _announce_question(payment, lease)
    if standing is None:
        return
    try:
        with call_span("capture", order=payment.order.number, payment_id=payment_id):
            answer = _ask(payment, standing, give_up=give_up)
    except OutcomeUnknown:
        settlement.mark_unknown(payment, lease)
        raise
    log.info("bank_answered", answer=type(answer).__name__, payment_id=payment_id)
    # Whatever happens to the lease here, the money's fate can be asked for again under the key.
    lease.ensure()
    settlement.settle(payment, answer, lease)


def _announce_question(payment: Payment, lease: HeldLease) -> Standing | None:
    """Write down that the provider is about to be asked, before it is; None when there is nothing
    to ask. A cancellation in between sees by ``asked_at`` whether money may have moved."""
    with transaction.atomic():
        order = lock_order_fenced(payment.order_id, lease.token)
        announced = Payment.objects.filter(pk=payment.pk, status__in=UNSETTLED_PAYMENTS)
        if not announced.update(asked_at=Coalesce("asked_at", Now())):
            return None
        row = announced.annotate(database_now=Now()).get()
        payment.refresh_from_db(fields=["status", "asked_at", "gateway_reference"])
        return Standing(
            order=OrderStatus(order.status),
            payment=PaymentStatus(row.status),
            asked_at=row.asked_at,
            hold_expires_at=order.hold_expires_at,
            now=row.database_now,
        )


def _ask(
    payment: Payment, standing: Standing, *, give_up: bool
) -> Captured | Declined | ActionRequired | Voided:
    gateway = get_gateway()
    if next_question(standing) is Question.CAPTURE:
        return gateway.capture(_request(payment))
    found = gateway.look_up(
        payment_id=payment.pk,
        reference=payment.gateway_reference,
        since=payment.created_at - timedelta(minutes=5),
    )
    match found:
        case NotFound():
            return _not_in_the_books(payment, standing)
        case ActionRequired() if give_up or not standing.may_wait_for_shopper:
            return gateway.void(found.reference, f"{payment.idempotency_key}:void")
        case _:
            return found


def _not_in_the_books(
    payment: Payment, standing: Standing
) -> Captured | Declined | ActionRequired | Voided:
    if standing.wanted:
        # Asked long ago and never arrived: the request may be made for the first time.
        return get_gateway().capture(_request(payment))
    # A request may still be under way, longest as long as its connection lives.
    grace = timedelta(seconds=3 * settings.PAYMENT_TIMEOUT_SECONDS + 5)
    if standing.asked_at and standing.now - standing.asked_at < grace:
        raise OutcomeUnknown("The provider does not know this payment yet; it may be under way.")
    return Voided("")


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
