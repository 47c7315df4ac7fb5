"""What a person in a sale reads."""

import pytest

from shop.flash_sales.replies import Reply, Said, refused
from shop.flash_sales.tokens import Why
from shop.flash_sales.words import duration, ordinal, words_of


@pytest.mark.parametrize(
    ("number", "told"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (112, "112th"), (812, "812th")],
)
def test_places_are_written_as_people_say_them(number: int, told: str) -> None:
    assert ordinal(number) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (245, "4 minutes 5 seconds"),
        (3_600, "1 hour"),
        (183_600, "2 days 3 hours"),
        (-4, "0 seconds"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_parts(seconds: int, told: str) -> None:
    assert duration(seconds) == told


def test_somebody_in_line_reads_their_place_the_units_and_when_their_turn_comes() -> None:
    reply = Reply(Said.IN_LINE, position=812, units_left=500, held=37, estimate_seconds=16)

    words = words_of(reply, limit_per_person=1)

    assert words.headline == "You are 812th in line"
    assert "500 left; 37 held by others may come back." in words.text
    assert "about 16 seconds" in words.text


def test_nobody_is_told_a_time_that_nobody_knows() -> None:
    words = words_of(Reply(Said.IN_LINE, position=1, held=2), limit_per_person=1)

    assert words.headline == "You are next"
    assert "Nobody can say yet" in words.text


def test_a_refusal_tells_its_reason() -> None:
    words = words_of(refused(Why.FORGED, "This was not made by us."), limit_per_person=1)

    assert "This was not made by us." in words.text


@pytest.mark.parametrize("said", list(Said))
def test_every_answer_has_words(said: Said) -> None:
    words = words_of(Reply(said, reason="A reason."), limit_per_person=2)

    assert words.headline
    assert words.text
