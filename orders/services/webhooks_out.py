"""Telling other systems: each delivery is a row that is tried for a day, then kept for a person."""

import json
import time

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from orders import metrics, task_names
from orders.gateways.webhook_sender import GONE, NotTaken, SignedMessage, is_sick, send_webhook
from orders.listeners import enqueue_delivery
from orders.models import WebhookDelivery
from orders.services.timeline import record_event
from tasks.ages import age_of
from tasks.breaker import BreakerPolicy
from tasks.breaker_store import Breaker
from tasks.locks.held import HeldLease
from tasks.spans import call_span
from tasks.storable import storable
from tasks.sweeping import in_hand, overdue, sweep

log = structlog.get_logger(__name__)

# A receiver that is down costs its first few messages a timeout, then each probe one.
_PATIENCE = BreakerPolicy(open_seconds=60)


def deliver_webhook(delivery_id: int, lease: HeldLease) -> None:
    """Send the message unless it was taken or given up.

    A crash after the receiver took it sends it again under the same id. Raises NotTaken and
    BreakerOpen, after which it is simply tried again; LeaseLost.
    """
    delivery = (
        WebhookDelivery.objects.select_related("endpoint")
        .annotate(owed_seconds=age_of("owed_at"))
        .get(pk=delivery_id)
    )
    if delivery.status != WebhookDelivery.Status.PENDING:
        return
    if hopeless := _hopeless(delivery, delivery.owed_seconds):
        _settle(delivery, WebhookDelivery.Status.GIVEN_UP, last_answer=hopeless)
        return
    lease.ensure()
    breaker = Breaker(f"webhook:{delivery.endpoint_id}", sick=is_sick, policy=_PATIENCE)
    try:
        with breaker.call(), call_span("send webhook", type=delivery.type):
            answer = send_webhook(
                delivery.endpoint.url,
                _message(delivery),
                timeout_seconds=settings.WEBHOOK_OUT_TIMEOUT_SECONDS,
                private=settings.WEBHOOK_OUT_PRIVATE,
            )
    except NotTaken as error:
        _note_refusal(delivery, error)
        if error.status != GONE:
            raise
        return
    _settle(delivery, WebhookDelivery.Status.DELIVERED, **_try(answer))
    log.info("webhook_delivered", type=delivery.type, endpoint=delivery.endpoint_id)


def send_again(delivery_id: int, *, actor: str) -> bool:
    """Try a settled delivery for another day, under its old id; False when it is being tried."""
    with transaction.atomic():
        settled = WebhookDelivery.objects.filter(pk=delivery_id).exclude(
            status=WebhookDelivery.Status.PENDING
        )
        # Two people press at once: the second one's update finds no settled row.
        if not settled.update(
            status=WebhookDelivery.Status.PENDING, owed_at=Now(), settled_at=None, swept_at=None
        ):
            return False
        delivery = WebhookDelivery.objects.select_related("endpoint").get(pk=delivery_id)
        record_event(
            delivery.order_id,
            "webhook_again",
            f"{delivery.type} is sent again to {delivery.endpoint.url}.",
            actor=actor,
        )
        enqueue_delivery(delivery)
    return True


def resume_deliveries() -> int:
    """Send the message again for deliveries that nobody has in hand; how many."""
    return sweep(stuck_deliveries(), _resume)


def stuck_deliveries() -> "QuerySet[WebhookDelivery]":
    pending = WebhookDelivery.objects.filter(status=WebhookDelivery.Status.PENDING)
    return overdue(pending, since="owed_at", after_seconds=settings.STUCK_AFTER_SECONDS)


def _resume(delivery: WebhookDelivery) -> bool:
    if in_hand(delivery.subject):
        return False
    with transaction.atomic():
        enqueue_delivery(delivery)
        metrics.resumed(task_names.DELIVER_WEBHOOK)
    return True


def _hopeless(delivery: WebhookDelivery, owed_seconds: float) -> str:
    if not delivery.endpoint.is_active:
        return "Not sent: the endpoint is switched off."
    if owed_seconds > settings.WEBHOOK_OUT_GIVE_UP_SECONDS:
        return f"Given up. Last answer: {delivery.last_answer or 'none'}"
    return ""


def _message(delivery: WebhookDelivery) -> SignedMessage:
    return SignedMessage(
        message_id=str(delivery.message_id),
        timestamp=int(time.time()),
        body=json.dumps(delivery.payload, separators=(",", ":")).encode(),
        secret=delivery.endpoint.secret,
    )


def _try(answer: str) -> dict[str, object]:
    return {
        "attempts": F("attempts") + 1,
        "tried_at": Now(),
        "last_answer": storable(answer)[:300],
    }


def _note_refusal(delivery: WebhookDelivery, error: NotTaken) -> None:
    if error.status == GONE:
        # The receiver says that it wants no more: asking for a day would change nothing.
        _settle(delivery, WebhookDelivery.Status.GIVEN_UP, **_try(str(error)))
    else:
        WebhookDelivery.objects.filter(
            pk=delivery.pk, status=WebhookDelivery.Status.PENDING
        ).update(**_try(str(error)))


def _settle(delivery: WebhookDelivery, status: WebhookDelivery.Status, **changes: object) -> None:
    with transaction.atomic():
        # A twin under an earlier lease may have settled it; its answer stands.
        settled = WebhookDelivery.objects.filter(
            pk=delivery.pk, status=WebhookDelivery.Status.PENDING
        ).update(status=status, settled_at=Now(), **changes)
        if settled:
            metrics.webhook_settled(status)
