"""Wait for something that another process will do, with an end."""

import time
from collections.abc import Callable


def wait_until(fact: Callable[[], bool], seconds: float = 5.0) -> None:
    """Poll until ``fact()``; fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
