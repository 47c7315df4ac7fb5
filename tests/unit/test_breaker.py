"""The breaker's decision, step by step, without a store."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.breaker import (
    BreakerPolicy,
    Circuit,
    Pass,
    Refuse,
    Status,
    admit,
    after_failure,
    after_nothing,
    after_success,
)

POLICY = BreakerPolicy(
    failures=3,
    window_seconds=60,
    open_seconds=10,
    probes=1,
    closing_successes=2,
    probe_seconds=30,
)
START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def failed(circuit: Circuit, *moments: float) -> Circuit:
    for moment in moments:
        circuit = after_failure(circuit, POLICY, at(moment), Pass(circuit.generation))
    return circuit


OPEN = failed(Circuit(), 0, 1, 2)


def half_open() -> tuple[Circuit, Pass]:
    circuit, answer = admit(OPEN, POLICY, at(12))
    assert isinstance(answer, Pass)
    return circuit, answer


def test_a_closed_breaker_lets_every_call_through_and_changes_nothing() -> None:
    assert admit(Circuit(), POLICY, at(0)) == (Circuit(), Pass(0))


@pytest.mark.parametrize(
    ("moments", "status"),
    [
        ((0, 1), Status.CLOSED),
        ((0, 1, 2), Status.OPEN),
        ((0, 1, 61), Status.CLOSED),  # the window began anew
        ((0, 61, 62, 63), Status.OPEN),
    ],
)
def test_so_many_failures_within_the_window_open_it(
    moments: tuple[float, ...], status: Status
) -> None:
    assert failed(Circuit(), *moments).status is status


def test_a_success_in_between_begins_the_count_anew() -> None:
    circuit = after_success(failed(Circuit(), 0, 1), POLICY, Pass(0))

    assert failed(circuit, 2, 3).status is Status.CLOSED


def test_an_open_breaker_refuses_and_says_how_long() -> None:
    assert admit(OPEN, POLICY, at(5)) == (OPEN, Refuse(7.0))


def test_a_call_from_before_it_opened_counts_for_nothing() -> None:
    late = Pass(0)

    assert after_failure(OPEN, POLICY, at(3), late) == OPEN
    assert after_success(OPEN, POLICY, late) == OPEN
    circuit, _ = half_open()
    assert after_success(circuit, POLICY, late) == circuit
    assert after_failure(circuit, POLICY, at(13), late) == circuit


def test_half_open_lets_no_more_probes_through_than_it_may() -> None:
    circuit, _ = half_open()

    assert circuit.status is Status.HALF_OPEN
    assert admit(circuit, POLICY, at(12)) == (circuit, Refuse(1.0))


def test_probes_that_succeed_close_it() -> None:
    circuit, first = half_open()
    circuit = after_success(circuit, POLICY, first)
    assert circuit.status is Status.HALF_OPEN
    circuit, second = admit(circuit, POLICY, at(13))
    assert isinstance(second, Pass)
    circuit = after_success(circuit, POLICY, second)

    assert (circuit.status, circuit.failures) == (Status.CLOSED, 0)


def test_a_probe_that_fails_opens_it_again_for_the_whole_time() -> None:
    circuit, probe = half_open()
    circuit = after_failure(circuit, POLICY, at(20), probe)

    assert admit(circuit, POLICY, at(20))[1] == Refuse(10.0)


def test_a_probe_whose_worker_died_gives_its_place_back_after_a_while() -> None:
    circuit, _ = half_open()

    assert isinstance(admit(circuit, POLICY, at(41))[1], Refuse)
    assert isinstance(admit(circuit, POLICY, at(42))[1], Pass)


def test_an_error_of_our_own_only_frees_its_place() -> None:
    circuit, probe = half_open()
    circuit = after_nothing(circuit, probe)

    assert circuit.status is Status.HALF_OPEN
    assert isinstance(admit(circuit, POLICY, at(13))[1], Pass)
    assert after_nothing(OPEN, Pass(OPEN.generation)) == OPEN
