"""How long units lay there is told from tickets and samples."""

from dataclasses import replace

import pytest

from ops.rehearse.handover import Handover, Look, due_at, measure
from ops.rehearse.verdict import faults
from tests.unit.test_rehearsal import SOLD_OUT, WISHES, told

LINE_OF_THREE = [Look(float(second), 0, 3) for second in range(20)]


def ticket(status: str, **times: float) -> dict[str, object]:
    nothing = dict.fromkeys(("declined_at", "cancelled_at"))
    return {"status": status, "held_until": 10.0, "ended_at": 12.0, **nothing, **times}


@pytest.mark.parametrize(
    ("row", "due"),
    [
        (ticket("expired"), 10.0),
        (ticket("expired", declined_at=4.0), 10.0),
        (ticket("expired", declined_at=11.0), 11.0),
        (ticket("expired", cancelled_at=6.0), 6.0),
        (ticket("returned", ended_at=5.0), 5.0),
        (ticket("returned", ended_at=11.0), 10.0),
        (ticket("returned", held_until=5.0, ended_at=5.0), None),
        (ticket("sold"), None),
        (ticket("held", ended_at=0.0), None),
    ],
)
def test_a_unit_is_due_when_somebody_else_could_have_had_it(
    row: dict[str, object], due: float | None
) -> None:
    assert due_at(row) == due


def test_the_first_units_are_nobodys_and_the_first_that_came_back_is_given_first() -> None:
    hands = measure(2, [0.0, 0.1, 6.0, 8.5], [5.5, 7.0], LINE_OF_THREE, 50)

    assert (hands.count, hands.p50_seconds, hands.longest_seconds) == (2, 0.5, 1.5)


def test_a_unit_that_comes_back_to_an_empty_line_is_not_counted() -> None:
    looks = [Look(0.0, 0, 3), Look(5.0, 0, 0), Look(6.0, 1, 0)]

    assert measure(1, [0.0, 15.0], [5.5], looks, 50) == Handover()


def test_a_unit_that_nobody_was_given_is_counted_for_as_long_as_people_waited() -> None:
    looks = [Look(float(second), int(second >= 5), int(second < 12)) for second in range(20)]

    assert measure(1, [0.0], [5.0], looks, 50).longest_seconds == 6.0


def test_units_that_lie_there_are_idle_but_not_those_that_the_rate_keeps() -> None:
    looks = [Look(float(second), 10, 30) for second in range(8)]
    one_a_second = [second + 0.5 for second in range(8)]

    assert measure(10, [], [], looks, 1).idle_seconds == 7.0
    assert measure(10, one_a_second, [], looks, 1).idle_seconds == 0.0
    assert measure(10, one_a_second, [], looks, 50).idle_seconds == 7.0


def test_units_that_change_hands_all_the_time_are_not_idle() -> None:
    looks = [Look(float(second), 1, 30) for second in range(8)]

    assert measure(10, [second + 0.5 for second in range(8)], [], looks, 50).idle_seconds == 0.0


def test_a_slow_handover_is_a_fault_unless_something_was_killed() -> None:
    slow = replace(SOLD_OUT, handover=Handover(1, 3.2, 3.2, 3.2))

    assert [line for line in faults(WISHES, told(), slow, proof_holds=True) if "3.2 s" in line]
    assert not list(faults(WISHES, told(), slow, proof_holds=True, undisturbed=False))
