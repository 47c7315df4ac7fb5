"""Messages that ended badly: recorded with their cause, redriven or discarded by a person.

One row per message: the same message again only raises ``times_seen``. A redriven message has a new
id, so when its work ends badly again that is a letter of its own, open, with ``previous`` naming
the closed one. Each letter keeps its own error and its own history.
"""

import traceback
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from tasks.arguments import BadArguments
from tasks.causes import HEALED_BY_SWEEPS, Cause
from tasks.delivery import Delivery
from tasks.models import DeadLetter, DeadLetterAction, OutboxMessage
from tasks.outbox import UnknownTask, enqueue
from tasks.storable import storable

log = structlog.get_logger(__name__)

_ERROR_LENGTH = 20_000


class NotOpen(Exception):
    """The dead letter was closed by somebody else in the meantime."""


class NotRedrivable(Exception):
    """The message cannot be sent again as it is; ``str()`` says why and what to do."""


@dataclass(slots=True)
class Outcome:
    """What became of many: how many were closed, and why the others were not."""

    closed: int = 0
    refused: list[str] = field(default_factory=list)


def record(
    delivery: Delivery, error: BaseException, reason: str, cause: Cause = Cause.PERMANENT
) -> None:
    """Keep the message and why it ended. The same message twice is one dead letter."""
    keep(
        delivery,
        cause=cause,
        error_class=type(error).__name__,
        error=f"{reason}\n\n" + "".join(traceback.format_exception(error))[-_ERROR_LENGTH:],
    )


def keep(delivery: Delivery, *, cause: Cause, error_class: str, error: str) -> None:
    """``record`` for those who have no exception in hand."""
    # Cut after it was made storable, which can make it longer.
    task, subject = storable(delivery.task)[:120], storable(delivery.subject)[:80]
    kwargs = storable(delivery.kwargs)
    letter, created = DeadLetter.objects.get_or_create(
        message_id=delivery.uuid() or uuid.uuid5(uuid.NAMESPACE_OID, delivery.message_id),
        defaults={
            "task": task,
            "kwargs": kwargs,
            "subject": subject,
            "attempt": delivery.attempt,
            "schema_version": delivery.schema_version,
            "cause": cause,
            "error_class": error_class[:120],
            "error": storable(error),
            "worker": storable(delivery.worker)[:120],
            "trace_id": storable(delivery.trace_id)[:64],
            "first_enqueued_at": delivery.first_enqueued_at,
            "previous": _closed_letter(task, subject, kwargs),
        },
    )
    if not created:
        DeadLetter.objects.filter(pk=letter.pk).update(
            last_seen_at=Now(), times_seen=F("times_seen") + 1
        )


def redrive(
    letter_id: int, *, by: str, reason: str = "", delay_seconds: float = 0.0
) -> OutboxMessage:
    """Send the message again as a first attempt, through the outbox.

    Its arguments are unchanged, and with them the idempotency keys that they lead to. Raises
    NotOpen, NotRedrivable; the letter then stays as it was.
    """
    with transaction.atomic():
        letter = _close(letter_id, DeadLetter.Status.REDRIVEN, by)
        if letter.cause == Cause.UNDECODABLE:
            raise NotRedrivable(
                f"Letter {letter.pk} could not be read, so nobody knows what to send. Look at its "
                "body, let the work be enqueued anew where it belongs, then discard the letter."
            )
        try:
            message = enqueue(
                letter.task,
                letter.kwargs,
                subject=letter.subject,
                trace_id=letter.trace_id,
                schema_version=letter.schema_version,
                delay_seconds=delay_seconds,
            )
        except (UnknownTask, BadArguments) as error:
            raise NotRedrivable(f"Letter {letter.pk}: {error}") from error
        _write_down(letter, DeadLetterAction.Verb.REDRIVEN, by, reason, sent_as=message.pk)
    return message


def redrive_many(
    letter_ids: Iterable[int], *, by: str, rate_per_second: float, reason: str = ""
) -> Outcome:
    """Redrive each in its own transaction, due one after another at ``rate_per_second``, so that
    what has just recovered is not run over. Those that cannot be sent are told, not raised."""
    done = Outcome()
    for letter_id in letter_ids:
        try:
            redrive(letter_id, by=by, reason=reason, delay_seconds=done.closed / rate_per_second)
            done.closed += 1
        except (NotOpen, NotRedrivable) as refusal:
            done.refused.append(str(refusal))
    log.info("redriven", by=by, sent=done.closed, refused=len(done.refused), reason=reason)
    return done


def discard(letter_id: int, *, by: str, reason: str) -> None:
    """Close the letter for good; the row and the reason are kept. Raises NotOpen."""
    with transaction.atomic():
        letter = _close(letter_id, DeadLetter.Status.DISCARDED, by)
        _write_down(letter, DeadLetterAction.Verb.DISCARDED, by, reason)


def discard_many(letter_ids: Iterable[int], *, by: str, reason: str) -> Outcome:
    """Discard each in its own transaction. Those closed already are told, not raised."""
    done = Outcome()
    for letter_id in letter_ids:
        try:
            discard(letter_id, by=by, reason=reason)
            done.closed += 1
        except NotOpen as refusal:
            done.refused.append(str(refusal))
    log.info("discarded", by=by, discarded=done.closed, refused=len(done.refused), reason=reason)
    return done


def needs_a_person(subject: str) -> bool:
    """Whether an open dead letter says that trying again by itself is of no use."""
    return (
        DeadLetter.objects.filter(subject=subject, status=DeadLetter.Status.OPEN)
        .exclude(cause__in=HEALED_BY_SWEEPS)
        .exists()
    )


def _close(letter_id: int, status: str, by: str) -> DeadLetter:
    # Two people, or one person's double click: only the first finds the letter open.
    closed = DeadLetter.objects.filter(pk=letter_id, status=DeadLetter.Status.OPEN).update(
        status=status, closed_at=Now(), closed_by=by[:150]
    )
    if not closed:
        raise NotOpen(f"Letter {letter_id} is not open any more, or never was. Look at its page.")
    return DeadLetter.objects.get(pk=letter_id)


def _write_down(
    letter: DeadLetter, verb: str, by: str, reason: str, *, sent_as: uuid.UUID | None = None
) -> None:
    DeadLetterAction.objects.create(
        letter=letter,
        verb=verb,
        by=by[:150],
        reason=reason[:300],
        task=letter.task,
        subject=letter.subject,
        sent_as=sent_as,
    )


def _closed_letter(task: str, subject: str, kwargs: Any) -> DeadLetter | None:
    """The letter whose redrive this may be: the same work, closed last."""
    same = DeadLetter.objects.filter(task=task, subject=subject, kwargs=kwargs)
    return same.filter(status=DeadLetter.Status.REDRIVEN).order_by("-closed_at").first()
