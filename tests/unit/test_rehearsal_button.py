"""What the staff asks for is what the crowd is made of; the crowd's process ends with its parent's
patience."""

import os
import time
from dataclasses import replace
from typing import Any

import pytest

from ops.rehearse.crowd_process import CrowdLost, send_in_beside
from ops.rehearse.kills import KINDS
from ops.rehearse.performance import wishes_of
from ops.rehearse.person import Ending
from ops.rehearse.plan import Plan, Wishes, plans
from ops.rehearse.run import problem_of
from ops.stack import parts
from ops.stack.stack import Stack
from shop.flash_sales.models import FlashSale, Rehearsal
from shop.flash_sales.states import Kill
from tests.unit.test_rehearsal import SOLD_OUT, found, visit
from tests.unit.test_stack_environment import build

CROWD = plans(Wishes(crowd=2))
# Nobody listens there.
NOWHERE = "http://127.0.0.1:9"


def row(**wishes: int) -> Rehearsal:
    return Rehearsal(pk=7, like=FlashSale(admission_per_second=33), **wishes)


def test_the_row_of_a_rehearsal_is_read_as_the_wishes_of_the_command() -> None:
    wishes = wishes_of(
        row(units=3, crowd=40, declines_percent=25, abandon_percent=5, bots_percent=0)
    )

    assert (wishes.units, wishes.crowd, wishes.rate, wishes.hold_seconds) == (3, 40, 33, 20)
    assert (wishes.declines, wishes.abandon, wishes.bots, wishes.double_click) == (
        *(0.25, 0.05, 0),
        0.2,
    )
    assert problem_of(wishes) == ""


def test_a_longer_hold_and_a_larger_crowd_are_given_more_patience() -> None:
    usual, held, many = (
        wishes_of(row(crowd=crowd, hold_seconds=hold)).patience_seconds
        for crowd, hold in ((100, 20), (100, 300), (5_000, 20))
    )

    # Some people one after another may keep a unit for the whole of their time.
    assert held - usual > 3 * 280
    assert many > usual


def test_what_can_be_killed_is_what_the_form_offers() -> None:
    assert {kind.value for kind in Kill if kind} == set(KINDS)


def test_two_units_in_a_household_are_no_fault_where_the_limit_is_two() -> None:
    visits = [visit(number, Ending.PAID, home=-1) for number in (1, 2)]
    facts = replace(SOLD_OUT, units=2, sold=2, orders=2)

    told = found(visits, facts, Wishes(units=2))
    assert any("household" in line for line in told)
    told = found(visits, replace(facts, limit=2), Wishes(units=2))
    assert not any("household" in line for line in told)


def test_the_crowd_comes_in_another_process_and_its_visits_come_back() -> None:
    visits = send_in_beside(NOWHERE, "/sale/x/1/", CROWD, 1.0, lambda: None)

    assert [one.plan for one in visits] == CROWD
    assert {one.ending for one in visits} == {Ending.NONE}


def test_whoever_stops_waiting_for_the_crowd_leaves_no_process_behind() -> None:
    class Enough(Exception):
        pass

    def stop() -> None:
        raise Enough

    began = time.monotonic()
    with pytest.raises(Enough):
        send_in_beside(NOWHERE, "/sale/x/1/", CROWD, 60.0, stop)
    assert time.monotonic() - began < 30


def test_a_crowd_that_ends_without_a_word_is_told() -> None:
    with pytest.raises(CrowdLost, match="ended with 3"):
        send_in_beside(NOWHERE, "/sale/x/1/", Deadly(), 60.0, lambda: None)


class Deadly(list[Plan]):
    """Ends the process to which it is sent."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (3,)


def test_the_rehearser_is_started_only_where_it_is_asked_for() -> None:
    def started(wanted: tuple[str, ...] | None) -> set[str]:
        stack = Stack("unit", parts=wanted, say=lambda _: None)
        stack._state.parts = list(parts.ALL)
        return set(stack.application_wanted())

    assert "rehearser" not in started(None)
    assert "rehearser" in started(parts.ALL)
    assert started(None) == set(parts.APPLICATION)


def test_a_stack_with_anybody_elses_server_rehearses_nothing() -> None:
    assert build()["REHEARSALS"] == "1"
    assert build({"STRIPE_API_KEY": "a key"})["REHEARSALS"] == "0"
    assert build({"DATABASE_URL": "postgres://elsewhere/shop"})["REHEARSALS"] == "0"
