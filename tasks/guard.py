"""Single-flight: at most one running section per key, as far as locks can promise it.

The lease says who may work. What keeps a paused holder from writing is the fencing token, which
the database compares: claim the row with ``held.token`` before the first read.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from tasks.clock import SYSTEM_CLOCK, Clock
from tasks.locks.backend import LockBackend, get_backend
from tasks.locks.held import HeldLease
from tasks.locks.renewal import RENEWER
from tasks.locks.waiting import acquire_within

MAX_HOLD_SECONDS = 600.0
"""Renewal ends after this: a section that never returns must not keep its key for ever."""


@contextmanager
def single_flight(
    key: str,
    *,
    ttl: float | None = None,
    wait: float = 0.0,
    max_hold: float = MAX_HOLD_SECONDS,
    backend: LockBackend | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Iterator[HeldLease]:
    """Hold ``key`` while the block runs; the lease is renewed in the background.

    All durations in seconds: ``ttl`` of the lease (None: LOCK_TTL_SECONDS), ``wait`` for another
    holder at most this long (0: not at all), ``max_hold`` until renewal stops.
    Raises LeaseBusy when somebody else still holds it after ``wait``, QuorumUnavailable when too
    few nodes can vote. A lease lost on the way is told by ``held.lost`` and ``held.ensure()``.
    """
    backend = backend or get_backend()
    ttl = settings.LOCK_TTL_SECONDS if ttl is None else ttl
    lease = acquire_within(backend, key, ttl=ttl, wait=wait, clock=clock)
    held = HeldLease(lease, backend, clock, max_hold)
    try:
        RENEWER.add(held)
        yield held
    finally:
        RENEWER.discard(held)
        held.release()
