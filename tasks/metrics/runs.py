"""What becomes of deliveries: how each run of a task ended, how long it took and had waited."""

import time
from types import TracebackType

from celery.exceptions import Ignore, Reject, Retry

from tasks.delivery import Delivery
from tasks.errors import BreakerOpen, LeaseBusy, LeaseLost, QuorumUnavailable
from tasks.metrics.meter import METER, Kind, Meter

SUCCEEDED = "succeeded"
RETRIED = "retried"  # an attempt was used up; the next one is a row in the outbox
BUSY = "busy"  # another worker has the lease
LEASE_LOST = "lease_lost"
NO_QUORUM = "no_quorum"
BREAKER_OPEN = "breaker_open"  # the remote side is known to be sick; no attempt was used up
DEAD_LETTER = "dead_letter"
DATABASE_AWAY = "database_away"  # handed back to the broker: nothing could be written down
FAILED = "failed"  # a periodic task; the next run replaces it
INTERRUPTED = "interrupted"  # its worker was told to stop at once

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)
_DELAY = (0.005, 0.01, 0.015, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200)
_ATTEMPTS = (1, 2, 3, 5, 8, 13, 20, 50, 100, 200)

KINDS = (
    Kind("task_runs", "Runs of a task by how they ended.", ("task", "outcome")),
    Kind("task_run_seconds", "From a run's start to its end.", ("task",), _SECONDS),
    Kind(
        "task_delay_seconds",
        "From when a message was due to the start of its run: outbox, broker and worker together.",
        ("task",),
        _DELAY,
    ),
    Kind(
        "outbox_delay_seconds",
        "From when a message was due to its publishing, told by the worker that got it.",
        ("task",),
        _DELAY,
    ),
    Kind(
        "task_attempts",
        "The attempt at which a message ended: succeeded or dead letter.",
        ("task",),
        _ATTEMPTS,
    ),
)
METER.declare(*KINDS)


def outcome_of(error: BaseException | None) -> str:
    """How a run ended, told from what left the task's base. Pure."""
    match error:
        case None:
            return SUCCEEDED
        case Retry(exc=LeaseBusy()):
            return BUSY
        case Retry(exc=LeaseLost()):
            return LEASE_LOST
        case Retry(exc=QuorumUnavailable()):
            return NO_QUORUM
        case Retry(exc=BreakerOpen()):
            return BREAKER_OPEN
        case Retry():
            return RETRIED
        case Ignore():
            return BUSY if isinstance(error.__cause__, LeaseBusy) else FAILED
        case Reject():
            return DATABASE_AWAY
        case Exception():
            return DEAD_LETTER
        case _:
            return INTERRUPTED


class counted:  # noqa: N801  # reads as a word of the language, like ``traced``
    """``with counted(delivery):`` counts one run by what leaves the block. A class, not a
    generator: it stands around every task."""

    __slots__ = ("_began", "_delivery", "_meter", "_started_at")

    def __init__(self, delivery: Delivery, meter: Meter = METER) -> None:
        self._delivery = delivery
        self._meter = meter

    def __enter__(self) -> None:
        self._started_at = time.time()
        self._began = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._began
        delivery = self._delivery
        labels = (delivery.task,)
        outcome = SUCCEEDED if error is None else outcome_of(error)
        observed = [(("task_run_seconds", labels), seconds)]
        if outcome in (SUCCEEDED, DEAD_LETTER):
            observed.append((("task_attempts", labels), delivery.attempt))
        due_at, published_at = delivery.due_at, delivery.published_at
        # Never below zero: two moments were read from the clocks of two machines.
        if due_at is not None:
            observed.append((("task_delay_seconds", labels), max(0.0, self._started_at - due_at)))
            if published_at is not None:
                delay = max(0.0, published_at - due_at)
                observed.append((("outbox_delay_seconds", labels), delay))
        self._meter.record(("task_runs", (delivery.task, outcome)), observed)
        if outcome == DEAD_LETTER:
            self._meter.flush()
