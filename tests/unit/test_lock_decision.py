"""What an attempt concludes from the answers, as a table."""

import pytest

from tasks.locks.decision import Busy, Decision, NeedConfirm, NoQuorum, Waiting, Won, decide
from tasks.locks.messages import (
    Ahead,
    Confirmed,
    Denied,
    Failed,
    Granted,
    NotReady,
    Refused,
    Reply,
)

DOWN = Failed("gone")
A, B = Denied(3.0, "aaaa"), Denied(5.0, "bbbb")
YES, NO = Confirmed(), Refused()


def g(counter: int) -> Granted:
    return Granted(counter)


FIRST_TRIP: list[tuple[str, list[Reply | None], Decision]] = [
    ("one node is its own majority", [g(7)], Won(7)),
    ("one node is taken", [A], Busy(3.0)),
    ("one node is down", [DOWN], NoQuorum()),
    ("two of three agree, the third is not waited for", [g(7), g(7), None], Won(7)),
    ("two of three agree past one that is down", [DOWN, g(7), g(7)], Won(7)),
    ("two of three agree past one that is taken", [A, g(7), g(7)], Won(7)),
    ("one grant says nothing", [g(7), None, None], Waiting()),
    ("one of two is no majority", [g(7), None], Waiting()),
    ("one of two is down", [g(7), DOWN], NoQuorum()),
    ("both of two", [g(7), g(7)], Won(7)),
    ("two of four are no majority", [g(7), g(7), A, A], Busy(3.0)),
    ("two numbers", [g(7), g(9), None], NeedConfirm(9, (0,))),
    ("three numbers", [g(7), g(8), g(9)], NeedConfirm(9, (0, 1))),
    ("agreement is preferred to the largest", [g(7), g(7), g(9)], Won(7)),
    ("five nodes, three numbers", [g(7), None, g(9), g(8), None], NeedConfirm(9, (0, 3))),
    ("the holder's earliest end", [Denied(3.0, "a"), Denied(2.5, "a"), None], Busy(2.5)),
    ("a split vote has no holder", [g(7), A, B], Busy(0.0)),
    ("denied once, still possible", [A, g(7), None], Waiting()),
    ("denied and down: the third tells which it is", [A, DOWN, None], Waiting()),
    ("denied and down, then denied: a majority voted", [A, DOWN, A], Busy(3.0)),
    ("denied and down, then down", [A, DOWN, DOWN], NoQuorum()),
    ("denied and down, then granted", [A, DOWN, g(7)], Busy(3.0)),
    ("three of five down is never busy", [A, A, DOWN, DOWN, DOWN], NoQuorum()),
    ("three of five down, one open: not busy either", [A, None, DOWN, DOWN, DOWN], NoQuorum()),
    ("two of five down, taken", [A, A, DOWN, DOWN, A], Busy(3.0)),
    ("quarantine is no vote", [NotReady(9.0), NotReady(9.0), g(7)], NoQuorum()),
    ("a wrong clock is no vote", [Ahead(90.0), Ahead(90.0), g(7)], NoQuorum()),
]


@pytest.mark.parametrize(
    ("answers", "expected"), [row[1:] for row in FIRST_TRIP], ids=[row[0] for row in FIRST_TRIP]
)
def test_the_first_round_trip(answers: list[Reply | None], expected: Decision) -> None:
    assert decide(answers, {}, None) == expected


SECOND_TRIP: list[tuple[str, list[Reply | None], dict[int, Reply | None], Decision]] = [
    ("not confirmed yet", [g(7), g(9), None], {0: None}, Waiting()),
    ("confirmed", [g(7), g(9), None], {0: YES}, Won(9)),
    ("a late grant agrees by itself", [g(7), g(9), g(9)], {0: None}, Won(9)),
    ("a late grant below is raised too", [g(7), g(9), g(8)], {0: None}, NeedConfirm(9, (2,))),
    ("a late grant above does not move the token", [g(7), g(9), g(12)], {0: None}, Waiting()),
    ("and does not count", [g(7), g(9), g(12)], {0: NO}, Busy(0.0)),
    ("refused, but one is open", [g(7), g(9), None], {0: NO}, Waiting()),
    ("refused and down", [g(7), g(9), DOWN], {0: NO}, Busy(0.0)),
    ("died before it confirmed", [g(7), g(9), DOWN], {0: DOWN}, NoQuorum()),
    ("died, but another confirms", [g(7), g(9), g(8)], {0: DOWN, 2: YES}, Won(9)),
    ("refused and denied", [g(7), g(9), A], {0: NO}, Busy(3.0)),
]


@pytest.mark.parametrize(
    ("answers", "confirms", "expected"),
    [row[1:] for row in SECOND_TRIP],
    ids=[row[0] for row in SECOND_TRIP],
)
def test_the_second_round_trip(
    answers: list[Reply | None], confirms: dict[int, Reply | None], expected: Decision
) -> None:
    assert decide(answers, confirms, 9) == expected
