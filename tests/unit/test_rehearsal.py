"""A rehearsal's crowd is what was asked for, and its verdict sees each broken promise."""

from collections import Counter
from dataclasses import replace

import pytest

from ops.rehearse.person import Ending, Visit
from ops.rehearse.plan import HOUSEHOLD_OF, Intent, Plan, Wishes, plans
from ops.rehearse.run import problem_of
from ops.rehearse.stage import Facts
from ops.rehearse.verdict import faults

WISHES = Wishes(units=1, crowd=3)
SOLD_OUT = Facts(
    units=1,
    held=0,
    sold=1,
    drift=0,
    tickets={"sold": 1},
    most_per_person=1,
    orders=1,
    limit=1,
    generation=1,
    events=[],
    pause_seconds=0.0,
)


def visit(number: int, ending: Ending, intent: Intent = Intent.PAYS, home: int = 0) -> Visit:
    return Visit(Plan(number, intent, 1, 0.0, home or number), ending)


def told() -> list[Visit]:
    return [
        visit(1, Ending.PAID),
        visit(2, Ending.SOLD_OUT),
        visit(3, Ending.REFUSED, Intent.FORGER),
    ]


def found(
    visits: list[Visit], facts: Facts = SOLD_OUT, wishes: Wishes = WISHES, proof: bool = True
) -> list[str]:
    return list(faults(wishes, visits, facts, proof_holds=proof))


def test_one_unit_sold_and_everybody_told_is_no_fault() -> None:
    assert found(told()) == []


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (replace(SOLD_OUT, sold=2, orders=2), "oversold"),
        (replace(SOLD_OUT, sold=0, orders=0), "undersold"),
        (replace(SOLD_OUT, held=1), "still held"),
        (replace(SOLD_OUT, orders=2), "orders"),
        (replace(SOLD_OUT, most_per_person=2), "limit"),
        (replace(SOLD_OUT, drift=-1), "-1 units"),
    ],
)
def test_each_wrong_fact_is_found(facts: Facts, word: str) -> None:
    assert any(word in line for line in found(told(), facts))


def test_whoever_has_no_final_answer_is_named() -> None:
    visits = [*told(), visit(4, Ending.NONE)]
    assert [line for line in found(visits) if "person 4" in line and "no final answer" in line]


def test_two_units_in_one_household_are_a_fault() -> None:
    visits = [
        visit(1, Ending.PAID, Intent.HOUSEHOLD, home=-1),
        visit(2, Ending.PAID, Intent.HOUSEHOLD, home=-1),
    ]
    assert any("household -1 bought 2 units" in line for line in found(visits))


def test_a_forger_who_gets_in_and_an_honest_person_who_is_refused_are_faults() -> None:
    assert found([visit(1, Ending.PAID, Intent.FORGER)])
    assert found([visit(1, Ending.PAID), visit(2, Ending.REFUSED)])


def test_two_orders_for_one_ticket_and_a_failed_proof_are_faults() -> None:
    visits = told()
    visits[0].orders = {"/orders/a/", "/orders/b/"}
    assert any("2 orders for one ticket" in line for line in found(visits))
    assert found(told(), proof=False)


def test_the_crowd_has_the_shares_that_were_asked_for() -> None:
    wishes = Wishes(crowd=1_000, declines=0.1, abandon=0.1, double_click=0.2, bots=0.1)
    crowd = plans(wishes)
    intents = Counter(plan.intent for plan in crowd)
    assert len(crowd) == 1_000
    assert intents[Intent.DECLINED] == 100
    assert intents[Intent.ABANDONS] + intents[Intent.GIVES_BACK] == 100
    assert (intents[Intent.FORGER], intents[Intent.HOUSEHOLD]) == (50, 50)
    assert 150 < sum(plan.clicks == 2 for plan in crowd) < 250
    households = Counter(plan.home for plan in crowd if plan.intent is Intent.HOUSEHOLD)
    assert set(households.values()) == {HOUSEHOLD_OF}
    assert plans(wishes) == crowd


def test_numbers_that_cannot_be_are_refused_with_a_reason() -> None:
    assert problem_of(Wishes()) == ""
    assert "--units" in problem_of(Wishes(units=0))
    assert "100%" in problem_of(Wishes(declines=0.6, abandon=0.6))
    assert "--hold" in problem_of(Wishes(hold_seconds=2))
