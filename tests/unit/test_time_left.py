"""How long things are still kept, in words that promise no second too much."""

from datetime import UTC, datetime, timedelta

import pytest

from orders.story.hold import time_left

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "less than a minute"),
        (59, "less than a minute"),
        (60, "1 more minute"),
        (179, "2 more minutes"),
        (900, "15 more minutes"),
        (3 * 3_600 + 1_800, "3 more hours"),
        (7 * 86_400, "7 more days"),
    ],
)
def test_time_left_is_rounded_down(seconds: int, words: str) -> None:
    assert time_left(NOW + timedelta(seconds=seconds), NOW) == words
