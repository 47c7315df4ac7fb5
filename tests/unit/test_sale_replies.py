"""What a person is told about their turn is never worse than what they were told before."""

from hypothesis import given
from hypothesis import strategies as st

from shop.flash_sales.gate import Answer, Word
from shop.flash_sales.replies import Said, reply_to
from shop.flash_sales.tokens import NO_PLACE, Place

NOW = 1_800_000_000_000


def in_line(before: int, free: int, held: int = 0) -> Answer:
    return Answer(Word.IN_LINE, "", 12, before, free, held, 1_200)


def test_each_answer_of_the_gate_has_its_words() -> None:
    silent = {Word.LOST}
    for word in set(Word) - silent:
        assert reply_to(Answer(word), NO_PLACE, 50, NOW, "why").said in Said


def test_the_turn_is_told_by_the_rate_while_units_are_free() -> None:
    reply = reply_to(in_line(99, 500, 37), NO_PLACE, 50, NOW, "")

    assert (reply.position, reply.units_left, reply.held) == (100, 500, 37)
    assert (reply.estimate_seconds, reply.poll_after_ms) == (2, 1_200)
    assert reply.place == Place(12, NOW + 2_000)


def test_nobody_can_say_when_it_needs_units_back_from_others() -> None:
    assert reply_to(in_line(5, 5, 9), NO_PLACE, 50, NOW, "").estimate_seconds is None


def test_nobody_can_say_any_more_when_the_time_that_was_told_has_passed() -> None:
    told = Place(12, NOW - 1)

    assert reply_to(in_line(3, 9), told, 50, NOW, "").estimate_seconds is None


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5_000), st.integers(0, 500), st.integers(1, 200), st.integers(0, 5_000)
        ),
        min_size=2,
        max_size=20,
    )
)
def test_the_estimate_never_rises_whatever_happens(
    polls: list[tuple[int, int, int, int]],
) -> None:
    place, now, last = NO_PLACE, NOW, None
    for before, free, rate, later_ms in polls:
        now += later_ms
        reply = reply_to(in_line(before, free), place, rate, now, "")
        if reply.estimate_seconds is not None:
            assert last is None or reply.estimate_seconds <= last
            last = reply.estimate_seconds
        place = reply.place
