"""The gate decides in one order, for one person at a time, and gives no unit twice."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from django.conf import LazySettings
from django.conf import settings as configured

from shop.flash_sales.gate import Answer, Gate, GateAway, Grant, Word
from tests.integration.gates import HOUR_MS, facts, gate, let_through, now_ms, units

GATE_URL = configured.GATE_URL


def words(answers: list[Answer]) -> list[Word]:
    return [answer.word for answer in answers]


def test_a_click_takes_unit_and_person_together() -> None:
    with gate(free=2) as one:
        answer = one.click("ada")

        assert (answer.word, answer.place, answer.free, answer.held) == (Word.TICKET, 1, 1, 1)
        assert units(one) == (1, 1, 0)
        assert [grant.person for grant in one.grants()] == ["ada"]


def test_a_double_click_is_one_ticket() -> None:
    with gate(free=2) as one:
        first, second = one.click("ada"), one.click("ada")

        assert first.nonce == second.nonce
        assert units(one) == (1, 1, 0)
        assert one.written("ada", first.nonce)
        assert one.click("ada").word == Word.HAS_TICKET


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        # Each is wrong in all that follows, too: the first reason is told.
        ({"starts_ms": now_ms() + HOUR_MS, "status": "paused", "free": 0}, Word.TOO_EARLY),
        ({"ends_ms": now_ms() - 1, "status": "paused", "free": 0}, Word.TOO_LATE),
        ({"status": "ended", "free": 0, "limit": 0}, Word.TOO_LATE),
        ({"status": "paused", "free": 0, "limit": 0}, Word.PAUSED),
        ({"free": 0, "limit": 0}, Word.SOLD_OUT),
        ({"limit": 0}, Word.LIMIT_REACHED),
        ({"free": 0, "held": 1}, Word.IN_LINE),
        ({}, Word.TICKET),
    ],
)
def test_window_pause_units_limit_line_are_decided_in_this_order(
    changes: dict[str, object], word: Word
) -> None:
    with gate(**changes) as one:
        assert one.click("ada").word == word


def test_whoever_has_a_ticket_keeps_it_in_a_pause_and_after_the_end() -> None:
    with gate(free=1) as one:
        let_through(one, "ada")
        one.change(status="paused")
        assert one.click("ada").word == Word.HAS_TICKET
        one.change(ends_ms=now_ms() - 1)

        assert one.click("ada").word == Word.HAS_TICKET
        assert one.click("bob").word == Word.TOO_LATE


def test_too_early_says_how_long_by_the_servers_clock() -> None:
    with gate(starts_ms=now_ms() + 5_000) as one:
        assert 4_000 < one.click("ada").extra <= 5_000


def test_five_hundred_at_once_get_exactly_the_units_there_are() -> None:
    with gate(free=50) as one, ThreadPoolExecutor(16) as crowd:
        answers = list(crowd.map(lambda number: one.click(f"p{number}"), range(500)))

        said = Counter(words(answers))
        assert (said[Word.TICKET], said[Word.IN_LINE]) == (50, 450)
        assert units(one) == (0, 50, 0)
        assert one.line_length() == 450
        assert len({answer.nonce for answer in answers if answer.nonce}) == 50
        assert len({answer.place for answer in answers}) == 500


def test_a_process_may_have_had_any_number_of_threads() -> None:
    with gate(free=1) as one:
        for number in range(150):
            thread = threading.Thread(target=one.click, args=(f"p{number}",))
            thread.start()
            thread.join()

        assert one.line_length() == 149


def test_one_person_clicking_from_many_threads_has_one_ticket() -> None:
    with gate(free=5) as one:
        barrier = threading.Barrier(12)

        def click(_: int) -> Answer:
            barrier.wait(timeout=10)
            return one.click("ada")

        with ThreadPoolExecutor(12) as hands:
            answers = list(hands.map(click, range(12)))

        assert len({answer.nonce for answer in answers}) == 1
        assert units(one) == (4, 1, 0)


def test_a_unit_that_comes_back_goes_to_the_head_of_the_line() -> None:
    with gate(free=1) as one:
        held = let_through(one, "ada")
        places = [one.click(person).place for person in ("bob", "cem", "dia")]
        assert places == sorted(places)

        assert one.end_ticket("ada", held.nonce, sold=False)

        assert [one.poll(person).word for person in ("dia", "cem")] == [Word.IN_LINE] * 2
        assert one.poll("bob").word == Word.TICKET
        assert (one.poll("cem").before, one.poll("dia").before) == (0, 1)


def test_a_ticket_ends_once() -> None:
    with gate(free=1) as one:
        held = let_through(one, "ada")

        assert one.end_ticket("ada", held.nonce, sold=True)
        assert not one.end_ticket("ada", held.nonce, sold=False)
        assert units(one) == (0, 0, 1)
        assert one.click("bob").word == Word.SOLD_OUT


def test_all_in_line_are_told_at_once_when_the_last_unit_is_sold() -> None:
    with gate(free=1) as one:
        held = let_through(one, "ada")
        waiting = [f"p{number}" for number in range(5)]
        assert {one.click(person).word for person in waiting} == {Word.IN_LINE}

        one.end_ticket("ada", held.nonce, sold=True)

        assert {one.poll(person).word for person in waiting} == {Word.SOLD_OUT}


def test_a_buyer_who_has_all_they_may_have_is_told_so() -> None:
    with gate(free=3, limit=2) as one:
        for _ in range(2):
            one.end_ticket("ada", let_through(one, "ada").nonce, sold=True)

        assert one.click("ada").word == Word.LIMIT_REACHED
        assert one.click("bob").word == Word.TICKET


def test_the_limit_counts_all_items_of_a_sale() -> None:
    with gate(free=1) as mug:
        poster = Gate(0, 0)
        poster._keys = [f"{key}:2" if key != mug._keys[4] else key for key in mug._keys]
        poster.state_key, poster.tickets_key = poster._keys[0], poster._keys[3]
        poster._root = mug._root
        poster.build(facts(free=0, held=1), [], {})
        try:
            assert poster.click("ada").word == Word.IN_LINE
            assert poster.click("bob").word == Word.IN_LINE
            let_through(mug, "ada")

            # Ada stands before Bob, but has her unit.
            poster.change(add_units=1)

            assert poster.poll("bob").word == Word.TICKET
            assert poster.poll("ada").word == Word.LIMIT_REACHED
        finally:
            poster.drop()


def test_whoever_does_not_ask_any_more_is_passed_over_and_keeps_the_place() -> None:
    with gate(free=1) as one:
        held = let_through(one, "ada")
        bob = one.click("bob")
        one.end_ticket("ada", held.nonce, sold=False)
        one.change(asleep_ms=-100_000)
        assert one.line_length() == 0  # asleep by these facts
        one.change(asleep_ms=10_000)

        assert one.click("cem").word == Word.TICKET
        back = one.poll("bob")

        assert (back.word, back.place, back.before) == (Word.IN_LINE, bob.place, 0)


def test_a_thousand_sleepers_do_not_keep_a_unit_from_one_who_is_there() -> None:
    with gate(free=0, held=1) as one:
        for number in range(1_000):
            one.click(f"p{number}")
        one.change(asleep_ms=-100_000, add_units=1)

        assert one.click("zoe").word == Word.TICKET


def a_turn_is_over(one: Gate) -> None:
    one.change(turn_at=now_ms() - 1_300)


def test_a_unit_waits_one_turn_for_the_first_and_then_goes_to_the_next_who_asks() -> None:
    with gate(free=1) as one:
        held = let_through(one, "ada")
        bob, _ = one.click("bob"), one.click("cem")
        one.end_ticket("ada", held.nonce, sold=False)
        assert one.poll("cem").word == Word.IN_LINE

        a_turn_is_over(one)

        assert one.poll("cem").word == Word.TICKET
        back = one.poll("bob")
        assert (back.word, back.place, back.before) == (Word.IN_LINE, bob.place, 0)


def test_each_unit_has_a_turn_of_its_own_for_the_first_in_line() -> None:
    with gate(free=2) as one:
        held = [let_through(one, person) for person in ("ada", "bob")]
        for person in ("cem", "dia", "eve"):
            one.click(person)
        one.end_ticket("ada", held[0].nonce, sold=False)
        one.end_ticket("bob", held[1].nonce, sold=False)
        a_turn_is_over(one)
        assert one.poll("cem").word == Word.TICKET

        assert one.poll("eve").word == Word.IN_LINE
        assert one.poll("dia").word == Word.TICKET


def test_closed_laptops_near_the_head_do_not_keep_a_unit_from_those_behind_them() -> None:
    with gate(free=1, asleep_ms=3_000) as one, redis.Redis.from_url(GATE_URL) as server:
        held = let_through(one, "ada")
        for number in range(30):
            one.click(f"p{number}")
        one.end_ticket("ada", held.nonce, sold=False)
        a_turn_is_over(one)
        assert one.poll("p29").word == Word.IN_LINE

        server.zadd(one.seen_key, {f"p{number}": now_ms() - 3_100 for number in range(10)})

        assert one.poll("p29").word == Word.TICKET
        assert one.poll("p0").before == 0


def test_whoever_asks_late_from_far_behind_is_answered_and_stays_in_line() -> None:
    with gate(free=1, asleep_ms=3_000) as one, redis.Redis.from_url(GATE_URL) as server:
        held = let_through(one, "ada")
        for number in range(60):
            one.click(f"p{number}")
        one.end_ticket("ada", held.nonce, sold=False)
        a_turn_is_over(one)
        server.zadd(one.seen_key, {"p40": now_ms() - 9_000})

        late = one.poll("p40")

        assert (late.word, late.before) == (Word.IN_LINE, 40)


def test_whoever_is_a_little_late_is_still_in_line() -> None:
    with gate(free=0, held=1, asleep_ms=3_000) as one, redis.Redis.from_url(GATE_URL) as server:
        for person in ("ada", "bob"):
            one.click(person)
        server.zadd(one.seen_key, {"ada": now_ms() - 20_000})
        one.change()
        assert one.poll("bob").before == 1

        server.zadd(one.seen_key, {"ada": now_ms() - 31_000})
        one.change()  # as the keeper does twice a second

        assert one.poll("bob").before == 0
        assert one.poll("ada").before == 0


def test_nobody_far_behind_takes_a_unit_that_waits_for_the_first() -> None:
    with gate(free=1) as one:
        held = let_through(one, "ada")
        for number in range(30):
            one.click(f"p{number}")
        one.end_ticket("ada", held.nonce, sold=False)
        a_turn_is_over(one)

        assert one.poll("p29").word == Word.IN_LINE
        assert one.poll("p19").word == Word.TICKET


def test_no_more_are_let_through_than_the_rate_allows() -> None:
    with gate(free=100, rate=5) as one:
        said = Counter(words([one.click(f"p{number}") for number in range(30)]))

        # The bucket holds one second's worth; the clicks take far less than another one.
        assert 5 <= said[Word.TICKET] <= 8
        assert said[Word.IN_LINE] == 30 - said[Word.TICKET]


def test_the_first_who_came_is_the_first_who_is_let_through() -> None:
    with gate(free=100, rate=1) as one:
        for number in range(20):
            one.click(f"p{number:02}")
        one.change(rate=3, tokens=3)

        # One has the first unit, and three of the others are let through.
        said = words([one.poll(f"p{number:02}") for number in reversed(range(1, 20))])

        assert said == [*[Word.IN_LINE] * 16, *[Word.TICKET] * 3]


def test_nobody_is_in_line_by_asking_alone() -> None:
    with gate() as one:
        assert one.poll("ada").word == Word.NOT_IN_LINE
        assert one.line_length() == 0


def test_a_place_from_before_the_gate_was_lost_is_the_same_place() -> None:
    with gate(free=1) as one:
        let_through(one, "ada")
        bob, cem = one.click("bob"), one.click("cem")
        one.drop()
        assert one.poll("bob", place=bob.place).word == Word.LOST
        one.build(facts(free=0, held=1, last_place=3), [Grant("ada", "n-1", 1, now_ms(), True)], {})

        new = one.click("dia")
        later, earlier = one.poll("cem", place=cem.place), one.poll("bob", place=bob.place)

        assert (later.place, earlier.place) == (cem.place, bob.place)
        assert [one.poll(person).before for person in ("bob", "cem", "dia")] == [0, 1, 2]
        assert new.place > cem.place


def test_a_place_that_was_given_after_the_last_known_one_is_not_given_again() -> None:
    with gate(free=0, held=1, last_place=3) as one:
        assert one.poll("bob", place=9).place == 9
        assert one.click("cem").place == 10


def test_a_place_that_had_its_turn_does_not_lead_to_the_head_of_the_line_again() -> None:
    with gate(free=1) as one:
        held = let_through(one, "ada")
        bob = one.click("bob")
        one.end_ticket("ada", held.nonce, sold=False)

        assert one.poll("ada", place=held.place).word == Word.NOT_IN_LINE
        assert one.click("ada", place=held.place).place > bob.place


def test_a_spent_place_stays_spent_when_the_gate_is_built_again() -> None:
    with gate() as one:
        one.drop()
        one.build(facts(free=0, held=1, last_place=7), [], {}, {"ada": 4})

        assert one.click("ada", place=4).place == 8


def test_a_grant_that_nobody_came_for_goes_to_the_next_and_leaves_the_place() -> None:
    with gate(free=1) as one:
        grant = one.click("ada")
        one.click("bob")

        one.end_ticket("ada", grant.nonce, sold=False)

        assert one.poll("bob").word == Word.TICKET
        back = one.poll("ada")
        assert (back.word, back.place, back.before) == (Word.IN_LINE, grant.place, 0)


def test_a_grant_that_the_database_refused_leaves_its_person_in_front() -> None:
    with gate(free=1) as one:
        grant = one.click("ada")
        one.click("bob")

        assert one.put_back("ada", grant.nonce)

        assert units(one) == (1, 0, 0)
        assert one.poll("ada").place == grant.place
        assert [grant.person for grant in one.grants()] == ["ada"]


def test_building_a_living_gate_keeps_the_line_and_what_is_being_written_down() -> None:
    with gate(free=2) as one:
        written = let_through(one, "ada")
        grant = one.click("bob")
        one.click("cem")

        known = Grant("ada", written.nonce, written.place, now_ms(), True)
        one.build(facts(free=1, held=1, last_place=0), [known], {"ada": 1})

        assert units(one) == (0, 2, 0)
        assert one.poll("bob").nonce == grant.nonce
        assert one.poll("cem").word == Word.IN_LINE
        assert one.click("dia").place == 4


def test_a_ticket_that_the_gate_was_built_without_is_adopted_once() -> None:
    with gate(free=1) as one:
        assert one.adopt("ada", "n-1", 1)
        assert not one.adopt("ada", "n-1", 1)

        assert units(one) == (0, 1, 0)
        assert one.click("ada").nonce == "n-1"
        assert one.end_ticket("ada", "n-1", sold=False)
        assert units(one) == (1, 0, 0)


def test_units_that_are_added_go_to_those_who_wait() -> None:
    with gate(free=0, held=1) as one:
        one.click("ada")

        assert one.change(add_units=2)

        assert one.poll("ada").word == Word.TICKET
        assert units(one) == (1, 2, 0)


def test_nobody_is_let_through_in_a_pause() -> None:
    with gate(free=1) as one:
        held = let_through(one, "ada")
        one.click("bob")
        one.change(status="paused")
        one.end_ticket("ada", held.nonce, sold=False)
        assert one.poll("bob").word == Word.PAUSED
        assert one.grants() == []

        one.change(status="open")

        assert one.poll("bob").word == Word.TICKET


def test_asking_too_often_is_refused_and_logged_and_a_ticket_is_shown_anyhow(
    settings: LazySettings,
) -> None:
    settings.GATE_ASKS_PER_PERSON = 3
    with gate(free=0, held=1) as one:
        said = words([one.click("bot", address="192.0.2.7") for _ in range(5)])

        assert said == [*[Word.IN_LINE] * 3, *[Word.RATE] * 2]
        assert one.click("ada").word == Word.IN_LINE
        newest = one.refusals()[0]
        assert (newest.reason, newest.person, newest.address) == ("rate", "bot", "192.0.2.7")
        assert one.counts()["rate"] == 2

        one.change(add_units=1)
        settings.GATE_ASKS_PER_PERSON = 40
        assert one.click("bot").word == Word.TICKET
        settings.GATE_ASKS_PER_PERSON = 3
        assert one.click("bot").word == Word.TICKET


def test_one_address_with_many_persons_is_refused_and_others_are_not(
    settings: LazySettings,
) -> None:
    settings.GATE_CLICKS_PER_ADDRESS = 4
    with gate(free=0, held=1) as one:
        said = Counter(words([one.click(f"p{n}", address="192.0.2.7") for n in range(10)]))

        assert said == {Word.IN_LINE: 4, Word.RATE: 6}
        assert one.poll("p0").word == Word.IN_LINE
        assert one.click("ada", address="192.0.2.8").word == Word.IN_LINE
        assert one.click("bob").word == Word.IN_LINE


def test_the_log_of_refusals_has_a_bound() -> None:
    with gate() as one:
        for number in range(520):
            one.note_refusal("forged", "", f"a{number}")

        kept = one.refusals(1_000)
        assert (len(kept), kept[0].address) == (500, "a519")
        assert one.counts()["forged"] == 520


def test_those_who_are_next_ask_about_every_second_and_those_far_behind_seldom() -> None:
    with gate(free=0, held=30, rate=100) as one:
        waits = [one.click(f"p{number}").extra for number in range(400)]

        assert all(750 <= wait <= 940 for wait in waits[:30])
        assert len(set(waits[:30])) > 5  # jitter
        assert waits[399] > 4_000


def test_ten_thousand_in_line_ask_some_hundred_times_a_second() -> None:
    with gate(free=0, held=500) as one:
        with redis.Redis.from_url(GATE_URL) as server:
            server.zadd(one.line_key, {f"p{number}": number for number in range(1, 10_001)})

        each = [one.poll(f"p{number}").extra for number in range(1, 10_001, 50)]

        assert 200 < sum(50 * 1_000 / wait for wait in each) < 1_000


def test_a_gate_that_does_not_answer_is_away(settings: LazySettings) -> None:
    settings.GATE_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(GateAway):
        Gate(1, 1).click("ada")
