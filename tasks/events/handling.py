"""One event for one group: handled once, tried again after a fault, or set aside with its cause."""

from collections.abc import Callable
from enum import Enum

import structlog
from django.db import Error as DatabaseTrouble
from django.db import connection, transaction

from tasks.events import receipts
from tasks.events.dead_events import wrap
from tasks.events.envelope import Event, NotAnEvent, decode
from tasks.events.sink import BrokerTrouble, EventSink
from tasks.retry import Backoff, GiveUp, RetryPolicy
from tasks.tracing import traced

log = structlog.get_logger(__name__)

Handler = Callable[[Event], None]
# Together below Kafka's five minutes between two polls.
_SCHEDULE = Backoff(attempts=6, base_seconds=0.5, cap_seconds=15.0)
POLICY = RetryPolicy(transient=_SCHEDULE, unknown=_SCHEDULE, defect=_SCHEDULE)
_DATABASE_PAUSE_SECONDS = 2.0


class Done(Enum):
    HANDLED = "handled"
    DUPLICATE = "duplicate"
    DEAD = "dead"
    # Stopped in the middle: the event was not finished and must come again.
    LEFT = "left"


class Handling:
    """The handler of a group, with its retries and its dead letters.

    ``wait`` pauses for so many seconds and says whether to stop instead of going on.
    """

    def __init__(
        self,
        group: str,
        handler: Handler,
        dead_letters: EventSink,
        wait: Callable[[float], bool],
        policy: RetryPolicy = POLICY,
    ) -> None:
        self._group = group
        self._handler = handler
        self._dead_letters = dead_letters
        self._wait = wait
        self._policy = policy

    def handle(self, body: bytes) -> tuple[Done, Event | None]:
        """What became of it, and the event if it is one. Raises BrokerTrouble when the dead letter
        cannot be put down: the event must then come again."""
        try:
            event = decode(body)
        except NotAnEvent as error:
            self._set_aside(body, key="", attempts=1, error=error)
            return Done.DEAD, None
        with traced(event.trace_id, subject=event.subject, event_type=event.type):
            return self._until_done(body, event), event

    def _until_done(self, body: bytes, event: Event) -> Done:
        attempt = 1
        while True:
            try:
                return self._once(event)
            except Exception as error:  # noqa: BLE001  # whatever a handler raises is decided on
                if isinstance(error, DatabaseTrouble) and _database_is_away():
                    # Nobody's fault, and no attempt.
                    log.warning("event_waits_for_database", error=str(error))
                    if self._wait(_DATABASE_PAUSE_SECONDS):
                        return Done.LEFT
                    continue
                decision = self._policy.decide(error, attempt, 0.0)
                if isinstance(decision, GiveUp):
                    self._set_aside(body, key=event.subject, attempts=attempt, error=error)
                    receipts.mark_dead(self._group, event)
                    return Done.DEAD
                log.warning(
                    "event_retry", attempt=attempt, error=f"{type(error).__name__}: {error}"
                )
                attempt += decision.counts
                if self._wait(decision.seconds):
                    return Done.LEFT

    def _once(self, event: Event) -> Done:
        with transaction.atomic():
            if not receipts.take(self._group, event):
                return Done.DUPLICATE
            missing = receipts.missing_before(self._group, event)
            if missing:
                log.error("event_gap", missing=list(missing[:20]), sequence=event.sequence)
            self._handler(event)
        return Done.HANDLED

    def _set_aside(self, body: bytes, *, key: str, attempts: int, error: Exception) -> None:
        letter = wrap(body, key, group=self._group, attempts=attempts, error=error)
        outcome = self._dead_letters.publish([letter])
        if letter.id not in outcome.confirmed:
            reason = outcome.refused.get(letter.id) or outcome.trouble
            raise BrokerTrouble(f"the dead letter could not be put down: {reason}")
        log.error("event_dead", attempts=attempts, exc_info=error)


def _database_is_away() -> bool:
    """Told from a query that failed. Leaves a working connection if there can be one."""
    try:
        connection.close_if_unusable_or_obsolete()
        connection.ensure_connection()
        return not connection.is_usable()
    except DatabaseTrouble:
        return True
