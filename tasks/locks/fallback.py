"""PostgreSQL in place of lock nodes that are away. What it costs: docs/locking.md, 'Fallback'."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from tasks.clock import SYSTEM_CLOCK, Clock
from tasks.errors import LeaseBusy, QuorumUnavailable
from tasks.locks.backend import ClosableBackend
from tasks.locks.database import DatabaseLocks
from tasks.locks.inspection import LeaseSeen
from tasks.locks.lease import Lease
from tasks.locks.limits import CLOCK_ALLOWANCE_SECONDS
from tasks.locks.redlock import Redlock
from tasks.locks.waiting import QueueingBackend, acquire_within

logger = logging.getLogger(__name__)

OnFallback = Callable[[str, str], None]
# While PostgreSQL holds a key for somebody.
_LOOK_AGAIN_SECONDS = 0.1


def _silent(key: str, reason: str) -> None:
    return


@dataclass(slots=True)
class _Outage:
    """What this process has seen of the nodes' absence. Monotonic seconds."""

    began_at: float | None
    """None: a quorum has been seen since."""
    last_seen_at: float
    leases: int = 0


class FallbackLocks(QueueingBackend):
    """A ``LockBackend``: the nodes whenever they can vote, PostgreSQL when they cannot.

    Between a holder of the one and a holder of the other there is no mutual exclusion, only the
    order of their tokens at the resource. Two waits make such a meeting rare: PostgreSQL is used
    only when no quorum was seen for ``after`` seconds, by when the nodes' own leases have ended,
    and after an outage each lease of the nodes is checked against PostgreSQL until nothing is held
    there any more.
    """

    def __init__(
        self,
        nodes: Redlock,
        database: DatabaseLocks,
        *,
        max_ttl: float,
        after: float,
        on_fallback: OnFallback = _silent,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """``database`` must give tokens that lead by CLOCK_ALLOWANCE_SECONDS. ``on_fallback`` is
        called with key and reason for each lease that PostgreSQL gave. Durations in seconds."""
        self._nodes = nodes
        self._database = database
        self._after = after
        # The longest lease and twice the clocks' difference: by then the nodes' clock readings have
        # passed every token that PostgreSQL gave, in whichever process.
        self._aftermath = max_ttl + 2 * CLOCK_ALLOWANCE_SECONDS
        self._gap = max(after, max_ttl)
        self._on_fallback = on_fallback
        self._clock = clock
        self._outage: _Outage | None = None

    def acquire(self, key: str, *, ttl: float, holder: str = "") -> Lease:
        """One attempt. Raises LeaseBusy, ValueError, and QuorumUnavailable when neither can."""
        return self._acquire(
            key, ttl, holder, lambda: self._nodes.acquire(key, ttl=ttl, holder=holder)
        )

    def acquire_within(
        self, key: str, *, ttl: float, wait: float, holder: str, on_busy: Callable[[], None]
    ) -> Lease:
        """In the nodes' line while they can vote, else by looking again at PostgreSQL."""
        deadline = self._clock.monotonic() + wait
        while True:
            left = max(0.0, deadline - self._clock.monotonic())

            def from_nodes(left: float = left) -> Lease:
                return acquire_within(
                    self._nodes,
                    key,
                    ttl=ttl,
                    wait=left,
                    clock=self._clock,
                    holder=holder,
                    on_busy=on_busy,
                )

            try:
                return self._acquire(key, ttl, holder, from_nodes)
            except LeaseBusy:
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    raise
                time.sleep(min(left, random.uniform(0.5, 1.0) * _LOOK_AGAIN_SECONDS))
                on_busy()

    def _acquire(self, key: str, ttl: float, holder: str, from_nodes: Callable[[], Lease]) -> Lease:
        try:
            lease = from_nodes()
        except QuorumUnavailable as away:
            return self._from_database(key, ttl, holder, away)
        except LeaseBusy:
            if self._outage is not None:
                self._outage.began_at = None
            raise
        if self._outage is not None:
            self._outage.began_at = None
            self._check(lease, self._outage)
        return lease

    def extend(self, lease: Lease) -> Lease:
        """Where it was granted. Raises LeaseLost."""
        return self._of(lease).extend(lease)

    def release(self, lease: Lease) -> bool:
        """Where it was granted."""
        return self._of(lease).release(lease)

    def let_go(self, lease: Lease, told: Callable[[bool], None]) -> None:
        """Where it was granted."""
        self._of(lease).let_go(lease, told)

    def leases(self) -> list[LeaseSeen]:
        """Of both. Raises QuorumUnavailable when PostgreSQL is away; nodes that are away have none
        to show."""
        return [*self._nodes.leases(), *self._database.leases()]

    def force_release(self, key: str, nonce: str) -> bool:
        """Wherever it was granted: nonces are not given twice."""
        return self._nodes.force_release(key, nonce) or self._database.force_release(key, nonce)

    def close(self) -> None:
        for backend in (self._nodes, self._database):
            backend.close()

    def _of(self, lease: Lease) -> ClosableBackend:
        return self._database if lease.backend == "postgres" else self._nodes

    def _from_database(self, key: str, ttl: float, holder: str, away: QuorumUnavailable) -> Lease:
        now = self._clock.monotonic()
        outage = self._outage = self._outage or _Outage(None, now)
        # Nobody asked for a while: nobody knows whether the nodes were away all the time.
        if outage.began_at is None or now - outage.last_seen_at > self._gap:
            outage.began_at = now
            logger.warning("lock nodes are away: %s", away)
        outage.last_seen_at = now
        waits = outage.began_at + self._after - now
        if waits > 0:
            raise QuorumUnavailable(f"{away} PostgreSQL takes over in {waits:.1f} s.") from away
        try:
            lease = self._database.acquire(key, ttl=ttl, holder=holder)
        except QuorumUnavailable as also:
            raise QuorumUnavailable(f"{away} {also}") from also
        if not outage.leases:
            logger.warning("PostgreSQL gives out leases in place of the lock nodes")
        outage.leases += 1
        self._on_fallback(key, str(away))
        return lease

    def _check(self, lease: Lease, outage: _Outage) -> None:
        """After an outage: a lease of the nodes counts only when nobody holds the key in PostgreSQL
        and its token is larger than any that was given there."""
        try:
            standing = self._database.look(lease.key)
        except QuorumUnavailable:
            self._nodes.release(lease)
            raise
        if standing.remaining > 0 or standing.token >= lease.token:
            self._nodes.release(lease)
            raise LeaseBusy(lease.key, standing.remaining)
        over = self._clock.monotonic() - outage.last_seen_at > self._aftermath
        if over and not standing.any_live:
            self._outage = None
            logger.warning("lock nodes are used alone again")
