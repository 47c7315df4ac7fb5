"""Waiting for somebody else's lease: in line where the backend has one, or trying again."""

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from tasks.clock import Clock
from tasks.errors import LeaseBusy
from tasks.locks.lease import Lease

_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.25


class Backend(Protocol):
    def acquire(self, key: str, *, ttl: float, holder: str = "") -> Lease: ...


class QueueingBackend(ABC):
    """A backend in which those who wait stand in line."""

    @abstractmethod
    def acquire_within(
        self, key: str, *, ttl: float, wait: float, holder: str, on_busy: Callable[[], None]
    ) -> Lease:
        """As ``acquire``, for at most ``wait`` seconds."""


def acquire_within(
    backend: Backend,
    key: str,
    *,
    ttl: float,
    wait: float,
    clock: Clock,
    holder: str = "",
    on_busy: Callable[[], None] = lambda: None,
) -> Lease:
    """``backend.acquire``, trying again for ``wait`` seconds while it is busy. ``on_busy`` is
    called before each further try.

    Raises LeaseBusy when it still is then, QuorumUnavailable at once.
    """
    if wait <= 0:
        return backend.acquire(key, ttl=ttl, holder=holder)
    if isinstance(backend, QueueingBackend):
        return backend.acquire_within(key, ttl=ttl, wait=wait, holder=holder, on_busy=on_busy)
    deadline = clock.monotonic() + wait
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return backend.acquire(key, ttl=ttl, holder=holder)
        except LeaseBusy as busy:
            time.sleep(_pause(busy, pause, deadline - clock.monotonic()))
            on_busy()
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


def _pause(busy: LeaseBusy, pause: float, left: float) -> float:
    """Seconds until the next try: jittered, and never longer than the holder's lease can last,
    since the holder may be dead. Raises ``busy`` when there is no time left."""
    if left <= 0:
        raise busy
    longest = min(pause, busy.retry_after or pause)
    return min(left, random.uniform(longest / 2, longest))
