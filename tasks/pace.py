"""How long a relay waits before it looks again. Pure."""

_LEAST_SECONDS = 0.005
_MOST_SECONDS = 0.2
# The wait is this share of the time in which there was nothing to do, so the first message after a
# quiet time waits long only when it has been quiet for long: 5 ms up to a quarter of a minute,
# 200 ms after ten.
_SHARE = 1 / 3_000
_SOONEST_SECONDS = 0.001


def pause_seconds(idle_seconds: float, next_due_seconds: float | None) -> float:
    """``idle_seconds`` since the last message; ``next_due_seconds``: None when no row waits.

    A row that is due and was not given to us is another relay's, so it does not shorten the wait.
    """
    pause = min(max(idle_seconds * _SHARE, _LEAST_SECONDS), _MOST_SECONDS)
    if next_due_seconds is None or next_due_seconds <= 0:
        return pause
    return min(pause, max(next_due_seconds, _SOONEST_SECONDS))
