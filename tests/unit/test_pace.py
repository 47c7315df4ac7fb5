"""How long a relay waits: short after work, long after quiet, never past the next due row."""

from itertools import pairwise

import pytest

from tasks.pace import pause_seconds


@pytest.mark.parametrize(
    ("idle", "due", "pause"),
    [
        (0, None, 0.005),  # just worked: look again soon
        (15, None, 0.005),
        (300, None, 0.1),
        (86_400, None, 0.2),  # a quiet night
        (86_400, 5, 0.2),  # something is due, but later than the next look
        (86_400, 0.05, 0.05),  # due before: wait until then
        (0, 0.0001, 0.001),  # never a busy loop
        (300, -3, 0.1),  # due, and in another relay's hands
    ],
)
def test_the_wait(idle: float, due: float | None, pause: float) -> None:
    assert pause_seconds(idle, due) == pytest.approx(pause)


def test_the_wait_only_grows_with_quiet_and_stays_a_small_share_of_it() -> None:
    waits = [pause_seconds(idle, None) for idle in range(16, 2_000)]

    assert all(before <= after for before, after in pairwise(waits))
    assert all(
        wait <= idle / 3_000 + 1e-9 for idle, wait in zip(range(16, 600), waits, strict=False)
    )
