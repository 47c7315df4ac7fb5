"""Time as a dependency, so that a test can move it."""

import time
from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds that never go back. For durations and for the validity of a lease."""

    def wall(self) -> float:
        """Seconds since 1970. May step; never used to decide whether a lease is still valid."""


class SystemClock:
    """The clocks of this machine."""

    # Not wrapped: the locks ask twenty times in a section.
    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


SYSTEM_CLOCK = SystemClock()
