"""Leases in PostgreSQL: one row per key, taken over by one conditional statement.

Why rows and not advisory locks: docs/locking.md, 'Backends'.
"""

import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakSet

from tasks.clock import SYSTEM_CLOCK
from tasks.errors import LeaseBusy, LeaseLost, QuorumUnavailable, TaskError
from tasks.locks import lease_rows
from tasks.locks.inspection import LeaseSeen
from tasks.locks.lease import Lease
from tasks.locks.limits import LONGEST_HOLDER, RETENTION_SECONDS, check_key, check_ttl, drift
from tasks.locks.observer import LockObserver, SilentObserver
from tasks.locks.postgres_session import DatabaseAway, NotAsked, PostgresSession, Row


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database knows of one key."""

    token: int
    """The largest one given out for it; 0: none."""
    remaining: float
    """Seconds that its lease still lasts; 0: free."""
    any_live: bool
    """Whether any key at all is held."""


class DatabaseLocks:
    """A ``LockBackend`` on a connection of its own. Safe for threads and across a fork."""

    def __init__(
        self,
        parameters: Mapping[str, Any],
        *,
        prefix: str,
        max_ttl: float,
        timeout: float,
        retention: float = RETENTION_SECONDS,
        lead: float = 0.0,
        observer: LockObserver | None = None,
    ) -> None:
        """``parameters`` of psycopg2.connect; the rest in seconds. ``timeout``: the longest that a
        call may wait. ``retention``: how long a key's row outlives its last lease. ``lead``: how
        far tokens run ahead of the database's clock, see ``fallback``."""
        self._session = PostgresSession(parameters)
        self._prefix = prefix
        self._max_ttl = max_ttl
        self._timeout = timeout
        self._retention = retention
        self._lead_us = round(lead * 1_000_000)
        self._clock = SYSTEM_CLOCK
        self._observer = observer or SilentObserver()
        self._lock = threading.Lock()
        # Nonce and name of leases that nobody has, but that may have been granted: given back.
        self._doubtful: dict[str, str] = {}
        self._sweep_at = self._clock.monotonic()
        _ALIVE.add(self)

    def acquire(self, key: str, *, ttl: float, holder: str = "") -> Lease:
        """One attempt; ``holder`` says to people who has it. Raises LeaseBusy, QuorumUnavailable,
        ValueError for a bad key or TTL."""
        check_key(key)
        check_ttl(ttl, self._max_ttl)
        started = self._clock.monotonic()
        nonce = secrets.token_hex(16)
        told = holder[:LONGEST_HOLDER]
        values = {"owner": nonce, "holder": told, "ttl": ttl, "lead": self._lead_us}
        try:
            with self._entered(min(self._timeout, ttl)) as deadline:
                self._doubtful[nonce] = self._name(key)
                try:
                    rows = self._run(lease_rows.ACQUIRE, key, values, deadline)
                except NotAsked:
                    del self._doubtful[nonce]
                    raise
                del self._doubtful[nonce]
                now = self._clock.monotonic()
                token, left = rows[0] if rows else (None, 0.0)
                valid_until = started + ttl - drift(ttl)
                if token is not None and now >= valid_until:
                    self._doubtful[nonce] = self._name(key)
                    raise DatabaseAway("its answer came after the lease's end")
                if left > self._max_ttl:
                    self._run(lease_rows.CUT_SHORT, key, {"ttl": self._max_ttl}, deadline)
        except DatabaseAway as away:
            self._tell("acquire", "no_quorum", started)
            raise self._unavailable(away) from away
        self._tell("acquire", "busy" if token is None else "granted", started)
        if token is None:
            raise LeaseBusy(key, min(max(left, 0.0), self._max_ttl))
        return Lease(key, nonce, token, ttl, valid_until, now, backend="postgres")

    def extend(self, lease: Lease) -> Lease:
        """The same lease with a full TTL from now. Raises LeaseLost, also when the database does
        not say within the old validity that it is still held."""
        started = self._clock.monotonic()
        left = lease.remaining(started)
        values = {"owner": lease.nonce, "ttl": lease.ttl}
        try:
            if left <= 0:
                raise DatabaseAway("it ran out before it was extended")
            with self._entered(min(self._timeout, left), insist=True) as deadline:
                held = self._run(lease_rows.EXTEND, lease.key, values, deadline)
        except DatabaseAway as away:
            self._tell("extend", "lost", started)
            raise LeaseLost(f"The lease {lease.key!r} could not be extended: {away}.") from away
        if not held or self._clock.monotonic() >= lease.valid_until:
            self._tell("extend", "lost", started)
            raise LeaseLost(f"The lease {lease.key!r} had ended before it was extended.")
        self._tell("extend", "granted", started)
        return replace(lease, valid_until=started + lease.ttl - drift(lease.ttl))

    def release(self, lease: Lease) -> bool:
        """Give the lease back. False: it was not ours any more, or the database did not say."""
        started = self._clock.monotonic()
        ours = False
        try:
            with self._entered(self._timeout) as deadline:
                # Also when it cannot be asked now: then as soon as it can.
                self._doubtful[lease.nonce] = self._name(lease.key)
                values = {"owner": lease.nonce}
                ours = bool(self._run(lease_rows.RELEASE, lease.key, values, deadline))
                del self._doubtful[lease.nonce]
                self._sweep(deadline)
        except DatabaseAway:
            pass
        self._tell("release", "released" if ours else "not_held", started)
        return ours

    def look(self, key: str) -> Standing:
        """What the database knows of ``key`` now. Raises QuorumUnavailable."""
        asked = {"prefix": self._name("")}
        try:
            with self._entered(self._timeout) as deadline:
                ((token, left, live),) = self._run(lease_rows.LOOK, key, asked, deadline)
        except DatabaseAway as away:
            raise self._unavailable(away) from away
        return Standing(token, max(left, 0.0), live)

    def leases(self, *, limit: int = 1000) -> list[LeaseSeen]:
        """What is held now, by key. Nobody is known to wait here: waiters look again by and by.
        Raises QuorumUnavailable."""
        asked = {"prefix": self._name(""), "limit": limit}
        try:
            with self._entered(self._timeout) as deadline:
                rows = self._run(lease_rows.LEASES, "", asked, deadline)
        except DatabaseAway as away:
            raise self._unavailable(away) from away
        start = len(self._name(""))
        return [
            LeaseSeen(name[start:], owner, token, left, holder, (), 0)
            for name, owner, token, left, holder in rows
        ]

    def force_release(self, key: str, nonce: str) -> bool:
        """Take the lease with this nonce from its holder, who learns it at its next renewal. False:
        it was gone already, or the database did not say."""
        check_key(key)
        now = self._clock.monotonic()
        return self.release(Lease(key, nonce, 0, 0.0, now, now, backend="postgres"))

    def let_go(self, lease: Lease, told: Callable[[bool], None]) -> None:
        """``release``: here nobody else would read the answer."""
        told(self.release(lease))

    def close(self) -> None:
        """Drop the connection. The next call makes a new one."""
        with self._lock:
            self._session.close()

    # -- the connection -------------------------------------------------------

    @contextmanager
    def _entered(self, limit: float, *, insist: bool = False) -> Iterator[float]:
        """The connection to ourselves until the deadline that is handed out. ``insist``: a lease
        is at stake, so a server that was away a moment ago is tried all the same."""
        deadline = self._clock.monotonic() + limit
        if not self._lock.acquire(timeout=limit):
            raise DatabaseAway("another thread still waits for it")
        try:
            if insist:
                self._session.insist()
            if self._doubtful:
                nobodys = {"owners": [*self._doubtful], "names": [*self._doubtful.values()]}
                self._run(lease_rows.GIVE_BACK, "", nobodys, deadline)
                self._doubtful.clear()
            yield deadline
        except (DatabaseAway, TaskError):
            raise
        except BaseException:
            # A signal (Celery's soft time limit) may have struck between a statement and its
            # answer: what answers what is unknown now.
            self._session.close()
            raise
        finally:
            self._lock.release()

    def _run(self, sql: str, key: str, values: Mapping[str, Any], deadline: float) -> list[Row]:
        began = self._clock.monotonic()
        values = {**values, "name": self._name(key)}
        try:
            rows = self._session.run(sql, values, deadline)
        except DatabaseAway as away:
            self._observer.node_failed(self._session.place, str(away))
            raise
        self._observer.node_answered(self._session.place, self._clock.monotonic() - began)
        return rows

    def _name(self, key: str) -> str:
        return f"{self._prefix}:{key}"

    def _sweep(self, deadline: float) -> None:
        """Now and then delete rows that nobody used for so long that the clock alone makes the next
        token larger than theirs."""
        now = self._clock.monotonic()
        if now < self._sweep_at:
            return
        self._sweep_at = now + self._retention / 10
        values = {"retention": self._retention, "limit": lease_rows.SWEPT_AT_ONCE}
        if len(self._run(lease_rows.SWEEP, "", values, deadline)) == lease_rows.SWEPT_AT_ONCE:
            self._sweep_at = now

    def _tell(self, operation: str, outcome: str, started: float) -> None:
        seconds = self._clock.monotonic() - started
        self._observer.round_done(operation, outcome, seconds, second_round=False, margin=0)

    def _unavailable(self, away: DatabaseAway) -> QuorumUnavailable:
        return QuorumUnavailable(
            f"PostgreSQL at {self._session.place} cannot give out leases: {away}."
        )

    def _after_fork(self) -> None:
        """In the child: the parent's connection, and a lock that another thread may have held."""
        self._session.abandon()
        self._lock = threading.Lock()
        self._doubtful = {}


_ALIVE: WeakSet[DatabaseLocks] = WeakSet()


def _renew_all_after_fork() -> None:
    for backend in list(_ALIVE):
        backend._after_fork()


os.register_at_fork(after_in_child=_renew_all_after_fork)
