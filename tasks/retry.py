"""Whether and when a failed attempt comes back. Pure: the whole policy is one test table."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tasks.causes import Cause
from tasks.errors import (
    BreakerOpen,
    LeaseBusy,
    LeaseLost,
    OutcomeUnknown,
    Permanent,
    QuorumUnavailable,
    Transient,
)

Uniform = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class RetryIn:
    """Come back after ``seconds``. ``counts`` is False when no attempt was really made."""

    seconds: float
    counts: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt: the message becomes a dead letter, ``reason`` in front of its error."""

    cause: Cause
    reason: str


Decision = RetryIn | GiveUp


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter ('Exponential Backoff And Jitter', M. Brooker, 2015).

    The wait before attempt n+1 is uniform in [0, min(cap, base · 2^(n-1))] seconds, but never below
    ``floor_seconds``, so that a retry does not meet the very fault it comes from.
    """

    attempts: int = 8
    base_seconds: float = 0.5
    cap_seconds: float = 60.0
    floor_seconds: float = 0.1

    def wait(self, attempt: int, uniform: Uniform) -> float:
        ceiling = min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt - 1, 30))
        return max(self.floor_seconds, uniform(0.0, ceiling))


@dataclass(frozen=True, slots=True)
class LookAgain:
    """For what is busy: no attempt was made, and the holder usually ends long before its lease.

    The wait is uniform from ``floor_seconds`` to the time that is left, which is taken to be no
    less than ``least_seconds`` and no more than ``most_seconds``.
    """

    floor_seconds: float = 0.1
    least_seconds: float = 0.2
    most_seconds: float = 2.0

    def wait(self, left: float, uniform: Uniform) -> float:
        ceiling = max(self.least_seconds, min(left, self.most_seconds))
        return uniform(self.floor_seconds, ceiling)


@dataclass(frozen=True, slots=True)
class StayAway:
    """For what has closed its door: not before the time that it names, and then not all at once."""

    spread_seconds: float = 5.0

    def wait(self, left: float, uniform: Uniform) -> float:
        return left + uniform(0.0, self.spread_seconds)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """One schedule per class of error; an age limit over all of them.

    ``unknown`` is asked again more often: giving up on it leaves money in doubt. ``defect`` is
    whatever is not in ``tasks.errors``: a bug or an outage of our own, worth a few attempts, never
    worth losing. ``lost`` is a lease that ended or could not be had from the nodes. What is in
    ``busy``, ``breaker`` and ``lost`` counts no attempt: only the age limit ends it. A permanent
    error has no schedule.
    """

    transient: Backoff = Backoff()
    unknown: Backoff = Backoff(attempts=30)
    defect: Backoff = Backoff()
    busy: LookAgain = LookAgain()
    breaker: StayAway = StayAway()
    lost: LookAgain = LookAgain(least_seconds=2.0)
    max_age_seconds: float = 24 * 3600.0

    def decide(
        self,
        error: BaseException,
        attempt: int,
        age_seconds: float,
        uniform: Uniform = random.uniform,
    ) -> Decision:
        """What becomes of attempt number ``attempt`` (from 1) of a message of that age."""
        if isinstance(error, Permanent):
            return GiveUp(Cause.PERMANENT, "permanent error")
        if age_seconds > self.max_age_seconds:
            return GiveUp(Cause.TOO_OLD, f"older than {self.max_age_seconds:.0f} s")
        match error:
            case LeaseBusy(retry_after=left):
                return RetryIn(self.busy.wait(left, uniform), counts=False)
            case BreakerOpen(retry_after=left):
                return RetryIn(self.breaker.wait(left, uniform), counts=False)
            case LeaseLost() | QuorumUnavailable():
                return RetryIn(self.lost.wait(0.0, uniform), counts=False)
            case OutcomeUnknown():
                return _again(self.unknown, attempt, uniform)
            case Transient():
                return _again(self.transient, attempt, uniform)
            case _:
                return _again(self.defect, attempt, uniform)


def _again(backoff: Backoff, attempt: int, uniform: Uniform) -> Decision:
    if attempt >= backoff.attempts:
        return GiveUp(Cause.EXHAUSTED, f"{attempt} attempts used up")
    return RetryIn(backoff.wait(attempt, uniform), counts=True)
