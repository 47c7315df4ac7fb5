"""Whether and when a failed attempt comes back. Pure: the whole policy is one test table."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tasks.errors import (
    LeaseBusy,
    LeaseLost,
    OutcomeUnknown,
    Permanent,
    QuorumUnavailable,
    Transient,
)


@dataclass(frozen=True, slots=True)
class RetryIn:
    """Come back after ``seconds``. ``counts`` is False when no attempt was really made."""

    seconds: float
    counts: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt: the message becomes a dead letter, ``reason`` in front of its error."""

    reason: str


Decision = RetryIn | GiveUp


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter ('Exponential Backoff And Jitter', M. Brooker, 2015).

    The wait before attempt n+1 is uniform in [0, min(cap, base · 2^(n-1))] seconds, but never below
    ``floor_seconds``, so that a retry does not meet the very fault it comes from. Unknown outcomes
    are asked again ``unknown_attempts`` times: giving up on them leaves money in doubt.
    """

    max_attempts: int = 8
    unknown_attempts: int = 30
    base_seconds: float = 0.5
    cap_seconds: float = 60.0
    floor_seconds: float = 0.1
    busy_seconds: float = 0.2
    max_age_seconds: float = 24 * 3600.0

    def decide(
        self,
        error: BaseException,
        attempt: int,
        age_seconds: float,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> Decision:
        """What becomes of attempt number ``attempt`` (from 1) of a message of that age."""
        if age_seconds > self.max_age_seconds:
            return GiveUp(f"older than {self.max_age_seconds:.0f} s")
        match error:
            case LeaseBusy(retry_after=left):
                # The holder usually finishes long before its lease ends, so look again soon.
                ceiling = max(self.busy_seconds, min(left, 2.0))
                return RetryIn(uniform(self.floor_seconds, ceiling), counts=False)
            case LeaseLost() | QuorumUnavailable():
                return RetryIn(self._backoff(3, uniform), counts=False)
            case Permanent():
                return GiveUp("permanent error")
            case OutcomeUnknown():
                return self._again(attempt, self.unknown_attempts, uniform)
            case Transient():
                return self._again(attempt, self.max_attempts, uniform)
            case _:
                # A bug or an outage of our own: worth a few attempts, never worth losing.
                return self._again(attempt, self.max_attempts, uniform)

    def _again(
        self, attempt: int, limit: int, uniform: Callable[[float, float], float]
    ) -> Decision:
        if attempt >= limit:
            return GiveUp(f"{attempt} attempts used up")
        return RetryIn(self._backoff(attempt, uniform), counts=True)

    def _backoff(self, attempt: int, uniform: Callable[[float, float], float]) -> float:
        ceiling = min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt - 1, 30))
        return max(self.floor_seconds, uniform(0.0, ceiling))
