"""The whole retry policy, as a table."""

import pytest

from tasks.errors import (
    LeaseBusy,
    LeaseLost,
    OutcomeUnknown,
    Permanent,
    QuorumUnavailable,
    Transient,
)
from tasks.retry import GiveUp, RetryIn, RetryPolicy

POLICY = RetryPolicy(
    max_attempts=4, unknown_attempts=6, base_seconds=1.0, cap_seconds=10.0, floor_seconds=0.1
)


def highest(_low: float, high: float) -> float:
    return high


def lowest(low: float, _high: float) -> float:
    return low


@pytest.mark.parametrize(
    ("error", "attempt", "expected"),
    [
        (Transient("429"), 1, RetryIn(1.0, counts=True)),
        (Transient("429"), 3, RetryIn(4.0, counts=True)),
        (Transient("429"), 4, GiveUp("4 attempts used up")),
        (OutcomeUnknown("silence"), 4, RetryIn(8.0, counts=True)),
        (OutcomeUnknown("silence"), 5, RetryIn(10.0, counts=True)),
        (OutcomeUnknown("silence"), 6, GiveUp("6 attempts used up")),
        (Permanent("wrong key"), 1, GiveUp("permanent error")),
        (KeyError("a bug"), 1, RetryIn(1.0, counts=True)),
        (KeyError("a bug"), 4, GiveUp("4 attempts used up")),
        (LeaseBusy("order:1", retry_after=9.0), 4, RetryIn(2.0, counts=False)),
        (LeaseBusy("order:1", retry_after=0.0), 99, RetryIn(0.2, counts=False)),
        (LeaseLost("gone"), 4, RetryIn(4.0, counts=False)),
        (QuorumUnavailable("two of three are silent"), 4, RetryIn(4.0, counts=False)),
    ],
)
def test_what_becomes_of_an_attempt(
    error: Exception, attempt: int, expected: RetryIn | GiveUp
) -> None:
    assert POLICY.decide(error, attempt, age_seconds=1.0, uniform=highest) == expected


def test_a_retry_never_comes_back_at_once() -> None:
    decision = POLICY.decide(Transient("429"), 1, age_seconds=0.0, uniform=lowest)

    assert decision == RetryIn(0.1, counts=True)


def test_waiting_for_a_lease_ends_at_the_age_limit() -> None:
    decision = POLICY.decide(LeaseBusy("order:1"), 1, age_seconds=POLICY.max_age_seconds + 1)

    assert decision == GiveUp("older than 86400 s")


def test_the_wait_stays_finite_however_many_attempts_were_made() -> None:
    patient = RetryPolicy(unknown_attempts=10_000)

    decision = patient.decide(OutcomeUnknown("silence"), 9_999, 0.0, uniform=highest)

    assert decision == RetryIn(patient.cap_seconds, counts=True)
