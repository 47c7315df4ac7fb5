"""A place goes over to an account as one: never doubled, never made worse, never lost."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shop.flash_sales.gate import Gate, Word
from tests.integration.gates import gate, let_through, units

VISITOR, ACCOUNT = "visitor:ada", "account:7"


def place_in_line(one: Gate, person: str) -> int:
    """0: none. A poll, so that nobody joins by asking."""
    answer = one.poll(person)
    return answer.place if answer.word == Word.IN_LINE else 0


def wait_in_line(one: Gate, *persons: str) -> list[int]:
    """Behind somebody who holds the only unit."""
    let_through(one, "holder")
    return [one.click(person).place for person in persons]


def test_the_account_has_the_visitors_place_and_the_visitor_none() -> None:
    with gate(free=1) as one:
        first, _ = wait_in_line(one, VISITOR, "bob")

        assert one.carry(VISITOR, ACCOUNT, place=first) == first

        assert place_in_line(one, ACCOUNT) == first
        assert one.poll(VISITOR).word == Word.NOT_IN_LINE
        # Nor with the place that they were given signed, and have kept.
        assert one.poll(VISITOR, place=first).word == Word.NOT_IN_LINE
        assert one.line_length() == 2


def test_a_second_time_changes_nothing() -> None:
    with gate(free=1) as one:
        [first] = wait_in_line(one, VISITOR)

        assert [one.carry(VISITOR, ACCOUNT, place=first) for _ in range(3)] == [first] * 3
        assert one.line_length() == 1


@pytest.mark.parametrize("order", [(VISITOR, ACCOUNT), (ACCOUNT, VISITOR)])
def test_of_two_places_the_better_one_stays_and_the_other_is_gone(order: tuple[str, str]) -> None:
    with gate(free=1) as one:
        better, _ = wait_in_line(one, *order)

        assert one.carry(VISITOR, ACCOUNT) == better

        assert place_in_line(one, ACCOUNT) == better
        assert place_in_line(one, VISITOR) == 0
        assert one.line_length() == 1


def test_places_of_many_visitors_are_one_place_of_the_account() -> None:
    with gate(free=1) as one:
        visitors = [f"visitor:{number}" for number in range(20)]
        places = wait_in_line(one, *visitors)

        for visitor, place in zip(visitors, places, strict=True):
            one.carry(visitor, ACCOUNT, place=place)

        assert (one.line_length(), place_in_line(one, ACCOUNT)) == (1, min(places))
        back = [
            one.poll(visitor, place=place).word
            for visitor, place in zip(visitors, places, strict=True)
        ]
        assert set(back) == {Word.NOT_IN_LINE}


def test_whoever_had_stopped_asking_keeps_the_place_outside_the_line() -> None:
    with gate(free=1) as one:
        first, _ = wait_in_line(one, VISITOR, "bob")
        # Both are taken for asleep when a unit is free.
        one.change(asleep_ms=-100_000, add_units=1)
        assert one.line_length() == 0

        assert one.carry(VISITOR, ACCOUNT) == first

        assert one.line_length() == 0
        one.change(asleep_ms=10_000, add_units=-1)
        assert place_in_line(one, ACCOUNT) == first
        assert one.poll(VISITOR).word == Word.NOT_IN_LINE


def test_a_visitor_with_a_ticket_stays_who_they_are() -> None:
    with gate(free=1) as one:
        ticket = let_through(one, VISITOR)

        assert one.carry(VISITOR, ACCOUNT, place=ticket.place) is None

        assert one.poll(VISITOR).word == Word.HAS_TICKET
        assert place_in_line(one, ACCOUNT) == 0


def test_a_visitor_who_has_bought_stays_who_they_are() -> None:
    with gate(free=2, limit=2) as one:
        ticket = let_through(one, VISITOR)
        one.end_ticket(VISITOR, ticket.nonce, sold=True)

        assert one.carry(VISITOR, ACCOUNT, place=ticket.place) is None


def test_an_account_with_a_ticket_keeps_it_and_has_no_place_besides() -> None:
    with gate(free=1) as one:
        let_through(one, ACCOUNT)
        one.click(VISITOR)

        assert one.carry(VISITOR, ACCOUNT) == 0

        assert one.poll(ACCOUNT).word == Word.HAS_TICKET
        assert (one.line_length(), units(one)) == (0, (0, 1, 0))


def test_a_place_that_led_to_a_ticket_is_nobodys_any_more() -> None:
    with gate(free=1, asleep_ms=10_000) as one:
        ticket = let_through(one, VISITOR)
        one.end_ticket(VISITOR, ticket.nonce, sold=False)

        assert one.carry(VISITOR, ACCOUNT, place=ticket.place) == 0
        assert one.poll(ACCOUNT).word == Word.NOT_IN_LINE


def test_a_place_from_before_the_gate_was_lost_is_carried_as_it_was_shown() -> None:
    with gate(free=0, held=1, last_place=1_000) as one:
        assert one.carry(VISITOR, ACCOUNT, place=12) == 12

        assert place_in_line(one, ACCOUNT) == 12
        assert one.poll(VISITOR, place=12).word == Word.NOT_IN_LINE


def test_a_place_that_had_its_turn_does_not_come_back_behind_a_better_one() -> None:
    with gate(free=1, last_place=100) as one:
        own = let_through(one, ACCOUNT)
        one.end_ticket(ACCOUNT, own.nonce, sold=False)
        assert one.carry(VISITOR, ACCOUNT, place=5) == 5
        carried = let_through(one, ACCOUNT)
        assert (carried.place, own.place) == (5, 101)
        one.end_ticket(ACCOUNT, carried.nonce, sold=False)

        assert one.poll(ACCOUNT, place=own.place).word == Word.NOT_IN_LINE
        assert one.poll(ACCOUNT, place=5).word == Word.NOT_IN_LINE


def test_without_a_gate_nothing_is_changed() -> None:
    with gate(free=1) as one:
        one.drop()

        assert one.carry(VISITOR, ACCOUNT, place=3) is None
        assert one.facts() == {}


@pytest.mark.parametrize("seed", range(50))
def test_whoever_carries_and_asks_at_once_ends_with_one_place(seed: int) -> None:
    order = random.Random(seed).sample(range(6), 6)
    together = threading.Barrier(len(order))
    with gate(free=1) as one, ThreadPoolExecutor(len(order)) as crowd:
        first, *others = wait_in_line(one, VISITOR, "bob", "cem")

        def act(number: int) -> None:
            together.wait()
            if number < 2:
                one.poll(VISITOR, place=first)
            else:
                one.carry(VISITOR, ACCOUNT, place=first)

        list(crowd.map(act, order))

        assert place_in_line(one, ACCOUNT) == first
        assert place_in_line(one, VISITOR) == 0
        assert one.line_length() == 1 + len(others)
