"""The whole retry policy, as a table."""

import pytest

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
from tasks.retry import Backoff, Decision, GiveUp, LookAgain, RetryIn, RetryPolicy, StayAway

POLICY = RetryPolicy(
    transient=Backoff(attempts=4, base_seconds=1.0, cap_seconds=10.0, floor_seconds=0.1),
    unknown=Backoff(attempts=6, base_seconds=1.0, cap_seconds=10.0),
    defect=Backoff(attempts=2, base_seconds=3.0),
    busy=LookAgain(floor_seconds=0.1, least_seconds=0.2, most_seconds=2.0),
    breaker=StayAway(spread_seconds=5.0),
    max_age_seconds=3600,
)
BACK = RetryIn
EXHAUSTED = Cause.EXHAUSTED


def highest(_low: float, high: float) -> float:
    return high


def lowest(low: float, _high: float) -> float:
    return low


@pytest.mark.parametrize(
    ("error", "attempt", "soonest", "latest"),
    [
        (Transient("429"), 1, BACK(0.1, counts=True), BACK(1.0, counts=True)),
        (Transient("429"), 3, BACK(0.1, counts=True), BACK(4.0, counts=True)),
        (OutcomeUnknown("silence"), 4, BACK(0.1, counts=True), BACK(8.0, counts=True)),
        (OutcomeUnknown("silence"), 5, BACK(0.1, counts=True), BACK(10.0, counts=True)),
        (KeyError("a bug"), 1, BACK(0.1, counts=True), BACK(3.0, counts=True)),
        (LeaseBusy("order:1", 9.0), 4, BACK(0.1, counts=False), BACK(2.0, counts=False)),
        (LeaseBusy("order:1", 0.0), 99, BACK(0.1, counts=False), BACK(0.2, counts=False)),
        (BreakerOpen("bank", 30.0), 99, BACK(30.0, counts=False), BACK(35.0, counts=False)),
        (LeaseLost("gone"), 99, BACK(0.1, counts=False), BACK(2.0, counts=False)),
        (QuorumUnavailable("2 of 3"), 99, BACK(0.1, counts=False), BACK(2.0, counts=False)),
    ],
)
def test_what_comes_back_and_when(
    error: Exception, attempt: int, soonest: Decision, latest: Decision
) -> None:
    assert POLICY.decide(error, attempt, age_seconds=1.0, uniform=lowest) == soonest
    assert POLICY.decide(error, attempt, age_seconds=1.0, uniform=highest) == latest


@pytest.mark.parametrize(
    ("error", "attempt", "age_seconds", "expected"),
    [
        (Transient("429"), 4, 1, GiveUp(EXHAUSTED, "4 attempts used up")),
        (OutcomeUnknown("silence"), 6, 1, GiveUp(EXHAUSTED, "6 attempts used up")),
        (KeyError("a bug"), 2, 1, GiveUp(EXHAUSTED, "2 attempts used up")),
        (Permanent("wrong key"), 1, 1, GiveUp(Cause.PERMANENT, "permanent error")),
        # Whether it is old does not matter: it would not have worked when it was young.
        (Permanent("wrong key"), 1, 3601, GiveUp(Cause.PERMANENT, "permanent error")),
        (Transient("429"), 1, 3601, GiveUp(Cause.TOO_OLD, "older than 3600 s")),
        (LeaseBusy("order:1"), 1, 3601, GiveUp(Cause.TOO_OLD, "older than 3600 s")),
        (BreakerOpen("bank", 1), 1, 3601, GiveUp(Cause.TOO_OLD, "older than 3600 s")),
    ],
)
def test_what_is_given_up_and_why(
    error: Exception, attempt: int, age_seconds: float, expected: GiveUp
) -> None:
    assert POLICY.decide(error, attempt, age_seconds) == expected


def test_the_wait_stays_finite_however_many_attempts_were_made() -> None:
    patient = RetryPolicy(unknown=Backoff(attempts=10_000))

    decision = patient.decide(OutcomeUnknown("silence"), 9_999, 0.0, uniform=highest)

    assert decision == RetryIn(patient.unknown.cap_seconds, counts=True)
