"""A section under a lock, in a task or anywhere else: ``with lock("name", ttl=5, wait=1):``."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from tasks.clock import SYSTEM_CLOCK, Clock
from tasks.errors import LeaseBusy, QuorumUnavailable
from tasks.locks.backend import LockBackend, get_backend
from tasks.locks.held import HeldLease
from tasks.locks.holder import describe_here
from tasks.locks.lease import Lease
from tasks.locks.metrics import BUSY, METRICS, QUORUM_LOST
from tasks.locks.renewal import RENEWER

MAX_HOLD_SECONDS = 600.0
"""Renewal ends after this: a section that never returns must not keep its key for ever."""
_FIRST_PAUSE_SECONDS = 0.004
_LONGEST_PAUSE_SECONDS = 0.25


@contextmanager
def lock(
    key: str,
    *,
    ttl: float | None = None,
    wait: float = 0.0,
    max_hold: float = MAX_HOLD_SECONDS,
    holder: str = "",
    backend: LockBackend | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Iterator[HeldLease]:
    """Hold ``key`` while the block runs; the lease is renewed in the background.

    All durations in seconds: ``ttl`` of the lease (None: LOCK_TTL_SECONDS), ``wait`` for another
    holder at most this long (0: not at all), ``max_hold`` until renewal stops. ``holder`` is shown
    in the lock inspector (default: this process and the task that it runs).
    Raises LeaseBusy when somebody else still holds it after ``wait``, QuorumUnavailable when too
    few nodes can vote. A lease lost on the way is told by ``held.lost`` and ``held.ensure()``.
    """
    backend = backend or get_backend()
    ttl = settings.LOCK_TTL_SECONDS if ttl is None else ttl
    lease = _acquire(backend, key, ttl, wait, holder or describe_here(), clock)
    held = HeldLease(lease, backend, clock, max_hold)
    try:
        RENEWER.add(held)
        yield held
    finally:
        RENEWER.discard(held)
        held.release()


def _acquire(
    backend: LockBackend, key: str, ttl: float, wait: float, holder: str, clock: Clock
) -> Lease:
    began = clock.monotonic()
    pause = _FIRST_PAUSE_SECONDS
    retries = 0
    while True:
        try:
            lease = backend.acquire(key, ttl=ttl, holder=holder)
        except LeaseBusy as busy:
            left = began + wait - clock.monotonic()
            if left <= 0:
                METRICS.refused(key, BUSY, clock.monotonic() - began, retries)
                raise
            # Never longer than the holder's lease can last: it may be dead.
            longest = min(pause, busy.retry_after or pause)
            time.sleep(min(left, random.uniform(longest / 2, longest)))
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
            retries += 1
        except QuorumUnavailable:
            METRICS.refused(key, QUORUM_LOST, clock.monotonic() - began, retries)
            raise
        else:
            METRICS.acquired(key, clock.monotonic() - began, retries)
            return lease
