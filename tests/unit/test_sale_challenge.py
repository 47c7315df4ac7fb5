"""The task of a sale is solved by work only, once for each person, and nonsense is no solution."""

import hashlib

import pytest

from ops.rehearse.challenge import solve
from shop.flash_sales.challenge import Challenge, challenge_of, require_solution
from shop.flash_sales.models import FlashSale
from shop.flash_sales.tokens import NO_PLACE, Place, TokenRefused, Why, mint_person, read_person
from shop.flash_sales.visitor import Visitor

WORK = 500


def solution(token: str, work: int = WORK) -> str:
    task = challenge_of(token, work)
    return solve(task.salt, task.target, task.work)


def is_refused(token: str, text: str, *, work: int = WORK, place: Place = NO_PLACE) -> bool:
    try:
        visitor = Visitor(token, "visitor:ada", place, text)
        require_solution(FlashSale(challenge_work=work), visitor)
    except TokenRefused as refused:
        return refused.why == Why.CHALLENGE
    return False


def test_the_number_that_was_searched_is_the_solution() -> None:
    token = mint_person(7)
    task = challenge_of(token, WORK)
    found = solution(token)

    assert hashlib.sha256(f"{task.salt}{found}".encode()).hexdigest() == task.target
    assert 0 <= int(found) < WORK
    assert not is_refused(token, found)


def test_every_other_number_is_refused() -> None:
    token = mint_person(7)
    right = int(solution(token))

    accepted = [number for number in range(WORK) if not is_refused(token, str(number))]
    assert accepted == [right]


def test_the_task_of_a_person_stays_the_same_and_each_person_has_another() -> None:
    ada, bob = mint_person(7), mint_person(7)

    assert challenge_of(ada, WORK) == challenge_of(ada, WORK)
    assert len({challenge_of(token, 2_000_000).target for token in (ada, bob)}) == 2
    assert challenge_of(ada, WORK).salt != challenge_of(bob, WORK).salt


def test_the_solution_of_one_person_is_refused_from_all_others() -> None:
    # Of a million numbers two persons hardly ever have the same.
    ada = mint_person(7)
    found = solution(ada, 1_000_000)

    assert not is_refused(ada, found, work=1_000_000)
    assert all(is_refused(mint_person(7), found, work=1_000_000) for _ in range(20))


def test_a_solution_lasts_no_longer_than_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shop.flash_sales.tokens.time.time", lambda: 1_000.0)
    token = mint_person(7)
    found = solution(token)
    monkeypatch.setattr("shop.flash_sales.tokens.time.time", lambda: 8 * 86_400.0)

    assert not is_refused(token, found)
    with pytest.raises(TokenRefused, match="too old"):
        read_person(token, 7)


@pytest.mark.parametrize(
    "text", ["", " ", "-1", "1e3", "nan", "٣", "\ud800", "\x00", "9" * 100_000, "null", "[]", "0x0"]
)
def test_nonsense_is_refused_and_breaks_nothing(text: str) -> None:
    assert is_refused(mint_person(7), text)


def test_the_solution_is_written_in_one_way_only() -> None:
    token = mint_person(7)

    assert is_refused(token, f"0{solution(token)}")
    assert is_refused(token, f"{solution(token)} ")


def test_without_a_challenge_or_with_a_place_nothing_is_asked() -> None:
    assert not is_refused(mint_person(7), "", work=0)
    assert not is_refused(mint_person(7), "", place=Place(3))


def test_a_search_that_finds_nothing_ends() -> None:
    task = Challenge("00", "ff" * 32, 50)

    assert solve(task.salt, task.target, task.work) == ""
