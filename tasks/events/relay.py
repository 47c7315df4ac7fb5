"""From the events' outbox to the sink: claim the heads → publish as one batch → delete.

A process of its own, beside the relay of tasks: the events' broker is another one, and while it is
slow or away no task may wait. What they share is the outbox itself: the row is written in the
transaction of its cause and deleted only when the broker has confirmed it.

Order: a row is claimed only when it is a head, that is when no earlier row of its subject exists.
The next one becomes a head when the deletion of this one commits, so number n+1 is never handed
over before n is confirmed, whatever fails and however many relays there are. As in ``tasks.relay``
the claim is the row lock, held while the batch is published; that call is bounded.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, connection, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Now

from tasks.event_models import EventMessage
from tasks.events.envelope import encode
from tasks.events.sink import EventSink, Outcome, Outgoing

log = structlog.get_logger(__name__)

_POLL_MIN_SECONDS = 0.01
_POLL_MAX_SECONDS = 0.2
_OUTAGE_MAX_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Round:
    """``trouble`` says why claimed rows were left for later; they cost no attempt."""

    claimed: int = 0
    published: int = 0
    refused: int = 0
    trouble: str = ""


class EventRelay:
    """Any number may run side by side. ``stop`` may be called from a signal handler."""

    def __init__(self, sink: EventSink, *, batch_size: int | None = None) -> None:
        self._sink = sink
        self._batch_size = batch_size or settings.RELAY_BATCH_SIZE
        self._stop = threading.Event()

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """Publish until stopped. Waits longer the longer there is nothing to do."""
        pause = _POLL_MIN_SECONDS
        while not self._stop.is_set():
            try:
                done = self.run_once()
                trouble = done.trouble
            except DatabaseTrouble as error:
                close_old_connections()
                done, trouble = Round(), f"PostgreSQL: {type(error).__name__}: {error}"
            if trouble:
                log.warning("event_relay_waits", trouble=trouble)
                pause = min(max(pause, _POLL_MAX_SECONDS) * 2, _OUTAGE_MAX_SECONDS)
            elif done.published:
                pause = _POLL_MIN_SECONDS
                # The heads' successors are heads now: look at once.
                continue
            else:
                pause = min(pause * 1.5, _POLL_MAX_SECONDS)
            self._stop.wait(pause)
        self._sink.close()

    def run_once(self) -> Round:
        """One batch. Raises django.db.Error; trouble with the sink is in the Round."""
        with transaction.atomic():
            _plan_for_a_few()
            rows = list(_heads()[: self._batch_size])
            if not rows:
                return Round()
            batch = [Outgoing(row.pk, row.subject, encode(row)) for row in rows]
            outcome = self._sink.publish(batch)
            _delete(outcome)
            _keep_refused(rows, outcome)
        unsettled = len(outcome.unsettled(batch))
        trouble = outcome.trouble or (f"{unsettled} unconfirmed" if unsettled else "")
        return Round(len(rows), len(outcome.confirmed), len(outcome.refused), trouble)


def _plan_for_a_few() -> None:
    """Walk the index of waiting events from its old end up to the limit, in this transaction.

    A planner that does not know of a sudden backlog would look at all of it, and sort, each time.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")


def _heads() -> QuerySet[EventMessage]:
    earlier = EventMessage.objects.filter(
        subject=OuterRef("subject"), sequence__lt=OuterRef("sequence")
    )
    return (
        EventMessage.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(~Exists(earlier), refused_at__isnull=True)
        .order_by("occurred_at")
    )


def _delete(outcome: Outcome) -> None:
    # By raw SQL: the ORM would first collect what a cascade could reach, row by row.
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {EventMessage._meta.db_table} WHERE id = ANY(%s::uuid[])",  # noqa: S608  # no input
            [[str(message_id) for message_id in outcome.confirmed]],
        )


def _keep_refused(rows: Sequence[EventMessage], outcome: Outcome) -> None:
    for row in rows:
        reason = outcome.refused.get(row.pk)
        if reason is None:
            continue
        EventMessage.objects.filter(pk=row.pk).update(
            attempts=F("attempts") + 1, refused_at=Now(), reason=reason[:300]
        )
        log.error("event_refused", refused=str(row), event_id=str(row.pk), reason=reason)


def send_again(message_id: UUID) -> bool:
    """Try a refused event once more, with those that wait behind it; False if it is not refused."""
    refused = EventMessage.objects.filter(pk=message_id, refused_at__isnull=False)
    return refused.update(refused_at=None) == 1
