"""Moving a refund's money: asked under one committed key until the bank's answer is known."""

from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from orders import events, metrics
from orders.gateways.chosen import get_gateway
from orders.gateways.payment import (
    NotFound,
    Refunded,
    RefundPending,
    RefundRefused,
    RefundRequest,
)
from orders.locks import claim_order, lock_order_fenced
from orders.models import Notification, OrderLine, Payment, Refund
from orders.money import format_cents
from orders.services.notification import announce
from orders.services.payment import KEY_AGE
from orders.services.timeline import WORKER, record_event
from orders.states import OPEN_REFUNDS, REFUND_TRANSITIONS, RefundStatus, sources
from tasks.errors import OutcomeUnknown
from tasks.locks.held import HeldLease
from tasks.spans import call_span

log = structlog.get_logger(__name__)

Answer = Refunded | RefundPending | RefundRefused


def move_refund(order_id: int, refund_id: int, lease: HeldLease) -> None:
    """Ask the provider to send the money back, then write down what became of it.

    Safe to run any number of times. A refund whose money moved is looked up once more: a bank may
    return it days later. Raises what the gateway raises (Transient, OutcomeUnknown, Permanent) and
    LeaseLost; in every case the same refund may simply be moved again.
    """
    claim_order(order_id, lease.token)
    refund = Refund.objects.select_related("order", "payment").get(pk=refund_id, order_id=order_id)
    if refund.status == RefundStatus.REFUSED:
        return
    now = _announce_question(refund, lease)
    try:
        with call_span("refund", order=refund.order.number, refund_id=refund_id):
            answer = _ask(refund, now)
    except OutcomeUnknown:
        _mark_unknown(refund, lease, "")
        raise
    log.info("bank_answered", answer=type(answer).__name__, refund_id=refund_id)
    lease.ensure()
    match answer:
        case Refunded():
            _moved(refund, answer, lease)
        case RefundRefused():
            _refused(refund, answer, lease)
        case RefundPending():
            # Accepted: a webhook or the sweep asks again when there is more to know.
            _mark_unknown(refund, lease, answer.reference)


def _announce_question(refund: Refund, lease: HeldLease) -> datetime:
    """Write down when it was first asked for; the time by the database's clock."""
    with transaction.atomic():
        lock_order_fenced(refund.order_id, lease.token)
        row = Refund.objects.filter(pk=refund.pk)
        row.filter(status__in=OPEN_REFUNDS).update(asked_at=Coalesce("asked_at", Now()))
        refund.refresh_from_db(fields=["status", "asked_at", "gateway_reference"])
        now: datetime = row.annotate(database_now=Now()).values_list("database_now", flat=True)[0]
    return now


def _ask(refund: Refund, now: datetime) -> Answer:
    gateway = get_gateway()
    forgotten = refund.asked_at is not None and now - refund.asked_at > KEY_AGE
    if refund.gateway_reference or forgotten:
        found = gateway.look_up_refund(
            refund_id=refund.pk,
            reference=refund.gateway_reference,
            payment_reference=refund.payment.gateway_reference,
        )
        if not isinstance(found, NotFound):
            return found
    return gateway.refund(_request(refund))


def _request(refund: Refund) -> RefundRequest:
    return RefundRequest(
        idempotency_key=str(refund.idempotency_key),
        payment_reference=refund.payment.gateway_reference,
        amount_cents=refund.amount_cents,
        currency=refund.currency,
        order_number=refund.order.number,
        payment_id=refund.payment_id,
        refund_id=refund.pk,
    )


def _moved(refund: Refund, answer: Refunded, lease: HeldLease) -> None:
    with transaction.atomic():
        order = lock_order_fenced(refund.order_id, lease.token)
        if not _close(refund, RefundStatus.MOVED, gateway_reference=answer.reference):
            return
        shown = format_cents(refund.amount_cents, refund.currency)
        record_event(
            order.pk,
            "refunded",
            f"{shown} went back to {refund.payment.card_label}.",
            actor=WORKER,
        )
        announce(order, Notification.Kind.REFUND_SENT, cause=f"refund:{refund.pk}")
        events.refund_moved(refund)


def _refused(refund: Refund, answer: RefundRefused, lease: HeldLease) -> None:
    """The reservation is given back, so that the money can be refunded by another road."""
    with transaction.atomic():
        order = lock_order_fenced(refund.order_id, lease.token)
        if not _close(refund, RefundStatus.REFUSED, problem=answer.message[:300]):
            return
        Payment.objects.filter(pk=refund.payment_id).update(
            refund_reserved_cents=F("refund_reserved_cents") - refund.amount_cents
        )
        for item in refund.lines.all():
            OrderLine.objects.filter(pk=item.line_id).update(refunded=F("refunded") - item.quantity)
        shown = format_cents(refund.amount_cents, refund.currency)
        record_event(
            order.pk,
            "refund_refused",
            f"The bank did not take the refund of {shown}: {answer.message}",
            actor=WORKER,
        )


def _mark_unknown(refund: Refund, lease: HeldLease, reference: str) -> None:
    with transaction.atomic():
        lock_order_fenced(refund.order_id, lease.token)
        row = Refund.objects.filter(pk=refund.pk, status__in=OPEN_REFUNDS)
        known = {"gateway_reference": reference} if reference else {}
        if refund.status == RefundStatus.REQUESTED and row.update(
            status=RefundStatus.UNKNOWN, **known
        ):
            record_event(
                refund.order_id,
                "refund_under_way",
                "The bank has not said yet whether the refund went through. It is asked again.",
                actor=WORKER,
            )
        else:
            row.update(status=RefundStatus.UNKNOWN, **known)


def _close(refund: Refund, status: RefundStatus, **changes: str) -> bool:
    open_for_it = Refund.objects.filter(
        pk=refund.pk, status__in=sources(REFUND_TRANSITIONS, status)
    )
    settled = open_for_it.update(status=status, settled_at=Now(), **changes) == 1
    if settled:
        refund.refresh_from_db()
        metrics.refund_settled(status)
    return settled
