"""A section under a lock, in a task or anywhere else: ``with lock("name", ttl=5, wait=1):``."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from tasks.clock import SYSTEM_CLOCK, Clock
from tasks.errors import LeaseBusy, QuorumUnavailable
from tasks.locks.backend import LockBackend
from tasks.locks.chosen import get_backend
from tasks.locks.held import HeldLease
from tasks.locks.holder import describe_here
from tasks.locks.lease import Lease
from tasks.locks.metrics import BUSY, METRICS, QUORUM_LOST
from tasks.locks.renewal import RENEWER
from tasks.locks.waiting import acquire_within

MAX_HOLD_SECONDS = 600.0
"""Renewal ends after this: a section that never returns must not keep its key for ever."""


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
    retries = 0

    def again() -> None:
        nonlocal retries
        retries += 1

    try:
        lease = acquire_within(
            backend, key, ttl=ttl, wait=wait, clock=clock, holder=holder, on_busy=again
        )
    except (LeaseBusy, QuorumUnavailable) as error:
        outcome = BUSY if isinstance(error, LeaseBusy) else QUORUM_LOST
        METRICS.refused(key, outcome, clock.monotonic() - began, retries)
        raise
    METRICS.acquired(key, clock.monotonic() - began, retries)
    return lease
