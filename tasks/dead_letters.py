"""Messages that ended badly: recorded with their cause, redriven by a person."""

import json
import traceback
import uuid
from typing import Any

import structlog
from celery import current_app
from django.db import transaction
from django.db.models.functions import Now
from kombu.message import Message

from tasks import topology
from tasks.delivery import HEADER, Delivery, read_delivery
from tasks.models import DeadLetter
from tasks.outbox import enqueue

log = structlog.get_logger(__name__)

# Rejected by the broker (too many deliveries) rather than given up by the platform.
BY_BROKER = "DeliveryLimit"
_COLLECT_BATCH = 500


class NotOpen(Exception):
    """The dead letter was redriven by somebody else in the meantime."""


def record(delivery: Delivery, error: BaseException, reason: str) -> None:
    """Keep the message and why it ended. The same message twice is one dead letter."""
    _keep(
        delivery,
        error_class=type(error).__name__,
        error=f"{reason}\n\n" + "".join(traceback.format_exception(error))[-20_000:],
    )


def _keep(delivery: Delivery, *, error_class: str, error: str) -> None:
    DeadLetter.objects.get_or_create(
        message_id=delivery.uuid() or uuid.uuid5(uuid.NAMESPACE_OID, delivery.message_id),
        defaults={
            "task": delivery.task[:120],
            "kwargs": delivery.kwargs,
            "subject": delivery.subject,
            "attempt": delivery.attempt,
            "error_class": error_class,
            "error": error,
            "worker": delivery.worker[:120],
            "trace_id": delivery.trace_id,
            "first_enqueued_at": delivery.first_enqueued_at,
        },
    )


def redrive(letter_id: int, *, by: str) -> None:
    """Send the message again as a first attempt, through the outbox. Raises NotOpen.

    Its arguments are unchanged, and with them the idempotency keys that they lead to.
    """
    with transaction.atomic():
        # Two people, or one person's double click: only the first finds the letter open.
        closed = DeadLetter.objects.filter(pk=letter_id, status=DeadLetter.Status.OPEN).update(
            status=DeadLetter.Status.REDRIVEN, closed_at=Now(), closed_by=by[:150]
        )
        if not closed:
            raise NotOpen("This dead letter is closed already. Reload the page to see by whom.")
        letter = DeadLetter.objects.get(pk=letter_id)
        enqueue(letter.task, letter.kwargs, subject=letter.subject, trace_id=letter.trace_id)


def needs_a_person(subject: str) -> bool:
    """Whether an open dead letter says that trying again by itself is of no use."""
    return (
        DeadLetter.objects.filter(subject=subject, status=DeadLetter.Status.OPEN)
        .exclude(error_class=BY_BROKER)
        .exists()
    )


def collect() -> int:
    """Move what lies in the broker's dead queues into the table; how many were new or known.

    A message leaves its queue only after its row is committed. One that has expired is dropped: its
    sender (beat) had said from when on it is worth nothing, and the broker brings it here instead.
    """
    collected = 0
    with current_app.connection_for_read() as connection:
        for name in topology.queue_names():
            queue = topology.dead_queue(name)(connection.default_channel)
            queue.declare()
            for _ in range(_COLLECT_BATCH):
                message = queue.get(no_ack=False)
                if message is None:
                    break
                if not _has_expired(message):
                    _keep(_delivery_of(message), error_class=BY_BROKER, error=_why(message))
                    collected += 1
                message.ack()
    return collected


def _has_expired(message: Message) -> bool:
    headers: dict[str, Any] = message.headers or {}
    deaths: list[dict[str, Any]] = headers.get("x-death") or [{}]
    return deaths[0].get("reason") == "expired"


def _delivery_of(message: Message) -> Delivery:
    headers: dict[str, Any] = message.headers or {}
    return read_delivery(
        message_id=str(headers.get("id") or uuid.uuid4()),
        task=str(headers.get("task", "(unknown)")),
        kwargs=_kwargs_of(message),
        header=headers.get(HEADER),
    )


def _kwargs_of(message: Message) -> dict[str, Any]:
    """The task's arguments; a body that cannot be read is kept as text instead of being lost."""
    raw = message.body
    text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else str(raw)
    try:
        _, kwargs, *_ = json.loads(text)
        return dict(kwargs)
    except (ValueError, TypeError):
        return {"unreadable_body": text[:10_000]}


def _why(message: Message) -> str:
    headers: dict[str, Any] = message.headers or {}
    deaths: list[dict[str, Any]] = headers.get("x-death") or [{}]
    return (
        f"The broker took this message out of {deaths[0].get('queue', 'its queue')} "
        f"({deaths[0].get('reason', 'reason not given')}): it was delivered again and again and "
        "never settled, or its worker rejected it. Look for a worker that died at this time."
    )
