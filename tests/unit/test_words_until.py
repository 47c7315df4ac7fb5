"""How the outbox page says when."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.moments import words_until

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "due"), (0, "due"), (12, "in 12 s"), (300, "in 5 min"), (3 * 3600, "in 3 h")],
)
def test_a_moment_is_told_as_people_say_it(seconds: float, words: str) -> None:
    assert words_until(NOW + timedelta(seconds=seconds), NOW) == words
