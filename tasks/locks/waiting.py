"""Waiting for somebody else's lease: woken by its release, or trying again by and by."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from tasks.clock import Clock
from tasks.errors import LeaseBusy, QuorumUnavailable
from tasks.locks.lease import Lease

_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Waiter:
    """One call that waits for one key."""

    key: str
    name: str
    since: float
    """Monotonic seconds of this process."""


class Backend(Protocol):
    def acquire(self, key: str, *, ttl: float, holder: str = "") -> Lease: ...


@runtime_checkable
class WakingBackend(Protocol):
    """A backend that calls whoever waits when the key becomes free."""

    def new_waiter(self, key: str) -> Waiter: ...

    def acquire_waiting(self, waiter: Waiter, *, ttl: float, holder: str = "") -> Lease:
        """As ``acquire``; when it is busy, ``waiter`` is in the queue for it afterwards."""

    def wait_for_release(self, waiter: Waiter, timeout: float) -> bool:
        """Block until it is worth trying again, at most ``timeout`` seconds. True: we were
        called, and for some milliseconds nobody else gets the key."""

    def stop_waiting(self, waiter: Waiter, *, withdraw: bool) -> None:
        """To be called at the end. ``withdraw``: the key is not wanted any more."""


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
    deadline = clock.monotonic() + wait
    if isinstance(backend, WakingBackend):
        return _in_the_queue(backend, key, ttl, deadline, clock, holder, on_busy)
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return backend.acquire(key, ttl=ttl, holder=holder)
        except LeaseBusy as busy:
            time.sleep(_pause(busy, pause, deadline - clock.monotonic()))
            on_busy()
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


def _in_the_queue(
    backend: WakingBackend,
    key: str,
    ttl: float,
    deadline: float,
    clock: Clock,
    holder: str,
    on_busy: Callable[[], None],
) -> Lease:
    waiter, lease, queued = backend.new_waiter(key), None, False
    pause = _FIRST_PAUSE_SECONDS
    try:
        while lease is None:
            try:
                lease = backend.acquire_waiting(waiter, ttl=ttl, holder=holder)
            except QuorumUnavailable:
                queued = False  # nobody to withdraw from, and it must be told at once
                raise
            except LeaseBusy as busy:
                queued = True
                backend.wait_for_release(waiter, _pause(busy, pause, deadline - clock.monotonic()))
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                on_busy()
    finally:
        backend.stop_waiting(waiter, withdraw=queued and lease is None)
    return lease


def _pause(busy: LeaseBusy, pause: float, left: float) -> float:
    """Seconds until the next try: jittered, and never longer than the holder's lease can last,
    since the holder may be dead. Raises ``busy`` when there is no time left."""
    if left <= 0:
        raise busy
    longest = min(pause, busy.retry_after or pause)
    return min(left, random.uniform(longest / 2, longest))
