"""The base of every task: guard → body → decision → effect.

The decision (``RetryPolicy``) is pure; this file only carries it out. A failed attempt writes its
successor into the outbox and ends the delivery, so no message waits in a worker's memory.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NoReturn

import structlog
from celery import Task, shared_task
from celery.exceptions import Ignore, Reject, Retry
from django.db import Error as DatabaseTrouble
from django.db import connection, transaction

from tasks import dead_letters
from tasks.delivery import HEADER, Delivery, at_hand, read_delivery
from tasks.errors import LeaseBusy, QuorumUnavailable, TaskError
from tasks.guard import MAX_HOLD_SECONDS, single_flight
from tasks.lease_key import LeaseKey
from tasks.locks.holder import describe_here
from tasks.locks.metrics import METRICS
from tasks.metrics.runs import counted
from tasks.outbox import enqueue
from tasks.retry import GiveUp, RetryIn, RetryPolicy
from tasks.spans import run_span
from tasks.storable import storable
from tasks.tracing import traced

log = structlog.get_logger(__name__)

# How long a worker waits for PostgreSQL before it hands the message back. The broker counts that as
# a delivery, so with its limit an outage of ten minutes makes no dead letter; what goes over it is
# kept in the dead queue, and the order is sent on by the sweep.
_DATABASE_WAIT_SECONDS = 30.0
_DATABASE_LOOK_SECONDS = 1.0


def platform_task(
    name: str,
    *,
    lease_key: str = "",
    policy: RetryPolicy | None = None,
    periodic: bool = False,
) -> Callable[[Callable[..., None]], "PlatformTask"]:
    """Declare a task under its explicit, lasting name.

    ``lease_key`` is a template over the task's arguments (``"order:{order_id}"``): the body runs
    only while this worker holds that lease, which it gets as the keyword ``lease``. Its writes must
    be fenced with ``lease.token`` (``tasks.fencing``): a body that comes to its end counts as done,
    even when the lease was lost on the way, because the fence has let in all that it wrote.
    ``policy`` decides when a failed attempt comes back. ``periodic`` tasks are sent by beat again
    and again: a failed run is only logged, since the next one replaces it.
    Raises ValueError for a template that can never become a key.
    """
    key = LeaseKey(lease_key) if lease_key else None
    if key is not None and key.family:
        METRICS.families.declare(key.family)
    options: dict[str, Any] = {
        "base": PlatformTask,
        "typing": False,  # the keyword `lease` is added by the worker, not by the sender
        "lease_key": key,
        "policy": policy or RetryPolicy(),
        "periodic": periodic,
    }
    return shared_task(name=name, **options)


class PlatformTask(Task[Any, Any]):
    """What ``platform_task`` makes of a function."""

    abstract = True
    Request = "tasks.last_words:ObservedRequest"
    lease_key: ClassVar[LeaseKey | None] = None
    policy: ClassVar[RetryPolicy] = RetryPolicy()
    periodic: ClassVar[bool] = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        request = self.request
        delivery = read_delivery(
            message_id=str(request.id or ""),
            task=str(self.name),
            kwargs=kwargs,
            header=(request.headers or {}).get(HEADER),
            worker=str(request.hostname or ""),
        )
        with (
            traced(delivery.trace_id, task=self.name, subject=delivery.subject),
            at_hand(delivery),
            run_span(delivery),
            counted(delivery),
        ):
            try:
                return self._guarded(*args, **kwargs)
            except (Ignore, Reject, Retry):
                raise
            except Exception as error:  # noqa: BLE001  # whatever it is, the message must not be lost
                if self.periodic:
                    self._skip(error)
                self._settle(delivery, error)

    def _guarded(self, *args: Any, **kwargs: Any) -> Any:
        if self.lease_key is None:
            return self.run(*args, **kwargs)
        key = self.lease_key.render(kwargs)
        holder = describe_here(str(self.request.id or ""))
        with single_flight(key, max_hold=self._longest_seconds(), holder=holder) as lease:
            return self.run(*args, lease=lease, **kwargs)

    def _longest_seconds(self) -> float:
        """Nobody renews for a body that the worker will have killed by then."""
        limit = self.time_limit or self.app.conf.task_time_limit
        return float(limit) if limit else MAX_HOLD_SECONDS

    def _skip(self, error: Exception) -> NoReturn:
        if isinstance(error, LeaseBusy):
            raise Ignore from error  # another sweep is at it, which is all that this one wanted
        log.error("sweep_failed", exc_info=error)
        raise Ignore from error

    def _settle(self, delivery: Delivery, error: Exception) -> NoReturn:
        decision = self.policy.decide(error, delivery.attempt, delivery.age_seconds())
        self._log(decision, delivery, error)
        try:
            match decision:
                case RetryIn():
                    _enqueue_successor(delivery, error, decision)
                case GiveUp(cause, reason):
                    dead_letters.record(delivery, error, reason, cause)
        except DatabaseTrouble as outage:
            # Nothing is written down yet, so the broker must go on keeping the message.
            log.error("database_away", exc_info=outage)
            _wait_for_database()
            raise Reject(error, requeue=True) from outage
        if isinstance(decision, RetryIn):
            raise Retry(str(error), error, datetime.now(UTC) + timedelta(seconds=decision.seconds))
        # Rejected into the dead queue as well; the collector there finds the row that we wrote.
        raise error

    def _log(self, decision: RetryIn | GiveUp, delivery: Delivery, error: Exception) -> None:
        names = {"attempt": delivery.attempt, "error": f"{type(error).__name__}: {error}"}
        match decision:
            case RetryIn(seconds, counts):
                if isinstance(error, QuorumUnavailable):
                    log.error(
                        "lock_quorum_unavailable", retry_in_seconds=round(seconds, 2), **names
                    )
                elif isinstance(error, TaskError):
                    log.info(
                        "comes_back", retry_in_seconds=round(seconds, 2), counts=counts, **names
                    )
                else:
                    log.warning(
                        "comes_back", retry_in_seconds=round(seconds, 2), exc_info=error, **names
                    )
            case GiveUp(cause, reason):
                log.error("dead_letter", cause=cause, reason=reason, exc_info=error, **names)


def _wait_for_database() -> None:
    until = time.monotonic() + _DATABASE_WAIT_SECONDS
    while time.monotonic() < until:
        time.sleep(_DATABASE_LOOK_SECONDS)
        connection.close()
        with suppress(DatabaseTrouble):
            connection.ensure_connection()
            return


def _enqueue_successor(delivery: Delivery, error: Exception, decision: RetryIn) -> None:
    with transaction.atomic():
        enqueue(
            delivery.task,
            delivery.kwargs,
            subject=delivery.subject,
            delay_seconds=decision.seconds,
            attempt=delivery.attempt + (1 if decision.counts else 0),
            schema_version=delivery.schema_version,
            reason=storable(f"{type(error).__name__}: {error}"),
            trace_id=delivery.trace_id,
            first_enqueued_at=delivery.first_enqueued_at,
        )
