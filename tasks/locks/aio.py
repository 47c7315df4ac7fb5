"""Locks in asyncio code: ``async with alock("name", ttl=5, wait=1) as held:``.

The same protocol, servers and errors as ``lock``, so the two exclude each other. No thread: a
lease is renewed by a task of its own loop, and is lost when the loop is held up beyond its TTL.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from tasks.clock import SYSTEM_CLOCK, Clock
from tasks.errors import LeaseBusy, LeaseLost, QuorumUnavailable
from tasks.locks.aio_client import AsyncRedlock
from tasks.locks.holder import describe_here
from tasks.locks.lease import Lease
from tasks.locks.metrics import BUSY, LOST_WHILE_HELD, METRICS, QUORUM_LOST, RELEASED_LATE

logger = logging.getLogger(__name__)

MAX_HOLD_SECONDS = 600.0
_METRICS_SECONDS = 1.0

_clients: dict[asyncio.AbstractEventLoop, AsyncRedlock] = {}
_metrics_due_at = 0.0


def get_async_backend() -> AsyncRedlock:
    """The running loop's client, made on first use. ``asyncio.run`` ends its connections.

    Raises ImproperlyConfigured.
    """
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        chosen = getattr(settings, "LOCK_BACKEND", "redlock")
        if chosen != "redlock":
            raise ImproperlyConfigured(
                f"LOCK_BACKEND is {chosen!r}, and async code can lock over Redis only: its locks "
                "and those of the workers would not see each other. Use redlock, or the plain "
                "lock in a thread (asyncio.to_thread)."
            )
        for ended in [known for known in list(_clients) if known.is_closed()]:
            _clients.pop(ended, None)
        try:
            client = _clients[loop] = AsyncRedlock(
                settings.LOCK_REDIS_URLS,
                prefix=settings.LOCK_KEY_PREFIX,
                max_ttl=settings.LOCK_TTL_SECONDS,
                node_timeout=settings.LOCK_NODE_TIMEOUT_SECONDS,
                observer=METRICS,
            )
        except ValueError as error:
            raise ImproperlyConfigured(f"LOCK_REDIS_URLS: {error}") from None
    return client


class AsyncHeldLease:
    """What ``alock`` gives to its block."""

    def __init__(self, lease: Lease, backend: AsyncRedlock, clock: Clock, max_hold: float) -> None:
        self.lost = asyncio.Event()
        """Set when the lease is known to be gone. ``await held.lost.wait()`` beside the work."""
        self._lease = lease
        self._backend = backend
        self._clock = clock
        self._renew_until = clock.monotonic() + max_hold
        self._pid = os.getpid()
        self._timer: asyncio.TimerHandle | None = None
        self._renewing: asyncio.Task[None] | None = None

    @property
    def key(self) -> str:
        return self._lease.key

    @property
    def token(self) -> int:
        """The fencing token: ``SET fence = token WHERE fence < token`` before the first read."""
        return self._lease.token

    @property
    def remaining(self) -> float:
        """Seconds for which the lease is still valid without a renewal."""
        return self._lease.remaining(self._clock.monotonic())

    def ensure(self) -> None:
        """Raises LeaseLost unless the lease is valid now. It can be lost right after, so a write
        that matters compares the token in the database."""
        if os.getpid() != self._pid:
            raise LeaseLost(f"The lease {self.key!r} belongs to the parent process, not to a fork.")
        if self.remaining <= 0:
            self.lost.set()
        if self.lost.is_set():
            raise LeaseLost(f"The lease {self.key!r} was lost. Stop, and begin again.")

    def keep(self) -> None:
        """Renew the lease after a third of its TTL, and so on until ``release``."""
        self._timer = asyncio.get_running_loop().call_later(self._lease.ttl / 3, self._start)

    async def release(self) -> None:
        """Give the lease back. The request is out before the first await."""
        if self._timer is not None:
            self._timer.cancel()
        if self._renewing is not None:
            self._renewing.cancel()
        lost = self.lost.is_set() or self.remaining <= 0
        held = self._clock.monotonic() - self._lease.acquired_at
        trouble = LOST_WHILE_HELD if lost else RELEASED_LATE
        try:
            if await self._backend.release(self._lease) and not lost:
                trouble = ""
        except asyncio.CancelledError:
            trouble = LOST_WHILE_HELD if lost else ""  # it is on its way; nobody waits to hear
            raise
        finally:
            METRICS.ended(self.key, held)
            if trouble:
                METRICS.in_trouble(self.key, trouble)
                logger.error("async lease %r: %s after %.2f s", self.key, trouble, held)

    def _start(self) -> None:
        self._renewing = asyncio.create_task(self._renew(), name=f"lease-renewal-{self.key}")

    async def _renew(self) -> None:
        try:
            if self._clock.monotonic() < self._renew_until:
                self._lease = await self._backend.extend(self._lease)
                self.keep()
                return
            await asyncio.sleep(self.remaining)
            self.lost.set()
        except LeaseLost as error:
            self.lost.set()
            logger.warning("lease lost while held: %s", error)
        except Exception:  # whatever it was, nobody may go on believing in this lease
            self.lost.set()
            logger.exception("renewal of lease %r failed", self.key)


@asynccontextmanager
async def alock(
    key: str,
    *,
    ttl: float | None = None,
    wait: float = 0.0,
    max_hold: float = MAX_HOLD_SECONDS,
    holder: str = "",
    backend: AsyncRedlock | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> AsyncIterator[AsyncHeldLease]:
    """Hold ``key`` while the block runs; a task renews the lease.

    Arguments and errors are those of ``lock``. A cancellation, also while it waits, leaves nothing
    locked. Never block the loop inside: a renewal that comes too late loses the lease.
    """
    backend = backend or get_async_backend()
    ttl = settings.LOCK_TTL_SECONDS if ttl is None else ttl
    lease = await _acquire(backend, key, ttl, wait, holder or describe_here(), clock)
    held = AsyncHeldLease(lease, backend, clock, max_hold)
    held.keep()
    _write_metrics_soon()
    try:
        yield held
    finally:
        await held.release()


async def _acquire(
    backend: AsyncRedlock, key: str, ttl: float, wait: float, holder: str, clock: Clock
) -> Lease:
    began = clock.monotonic()
    retries = 0

    def again() -> None:
        nonlocal retries
        retries += 1

    try:
        if wait > 0:
            lease = await backend.acquire_within(
                key, ttl=ttl, wait=wait, holder=holder, on_busy=again
            )
        else:
            lease = await backend.acquire(key, ttl=ttl, holder=holder)
    except (LeaseBusy, QuorumUnavailable) as error:
        outcome = BUSY if isinstance(error, LeaseBusy) else QUORUM_LOST
        METRICS.refused(key, outcome, clock.monotonic() - began, retries)
        raise
    METRICS.acquired(key, clock.monotonic() - began, retries)
    return lease


def _write_metrics_soon() -> None:
    global _metrics_due_at  # noqa: PLW0603  # one for all loops: a flush writes for the process
    now = SYSTEM_CLOCK.monotonic()
    if now >= _metrics_due_at:
        _metrics_due_at = now + _METRICS_SECONDS
        asyncio.get_running_loop().call_later(_METRICS_SECONDS, METRICS.flush)
