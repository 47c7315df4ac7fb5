"""Redlock over independent Redis servers, with a fencing token out of the quorum.

The protocol, why it holds and what it does not promise: docs/locking.md.
"""

import os
import secrets
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from weakref import WeakSet

from tasks.clock import SYSTEM_CLOCK, Clock
from tasks.errors import LeaseBusy, LeaseLost, QuorumUnavailable, TaskError
from tasks.locks.bell import Bell
from tasks.locks.decision import Busy, Won, majority
from tasks.locks.diagnosis import explain_no_quorum
from tasks.locks.fanout import Fanout
from tasks.locks.inspection import LeaseSeen, look_at_leases
from tasks.locks.lease import Lease
from tasks.locks.limits import (
    CLOCK_ALLOWANCE_SECONDS,
    PROPOSAL_LEAD_SECONDS,
    RETENTION_SECONDS,
    check_key,
    check_prefix,
    check_ttl,
    check_urls,
    drift,
)
from tasks.locks.messages import Acquire, Extend, Granted, Release, Reply, Withdraw
from tasks.locks.observer import LockObserver, SilentObserver
from tasks.locks.rounds import AcquireRound, Round, VoteRound
from tasks.locks.waiting import Waiter
from tasks.locks.wire import Terms

LONGEST_HOLDER = 300
"""Characters of a holder's description that are kept."""
SILENT = SilentObserver()


class Redlock:
    """A ``LockBackend``. One per process; safe for threads and across a fork."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        prefix: str,
        max_ttl: float,
        node_timeout: float,
        retention: float = RETENTION_SECONDS,
        clock: Clock = SYSTEM_CLOCK,
        observer: LockObserver = SILENT,
    ) -> None:
        """``max_ttl``, ``node_timeout`` and ``retention`` in seconds. Raises ValueError."""
        check_urls(urls)
        check_prefix(prefix)
        quarantine = max_ttl + CLOCK_ALLOWANCE_SECONDS
        if retention <= quarantine:
            raise ValueError(f"retention must exceed max_ttl + {CLOCK_ALLOWANCE_SECONDS:g} s.")
        self._urls = tuple(urls)
        self._terms = Terms(
            prefix=prefix,
            quarantine_ms=round(quarantine * 1000),
            retention_ms=round(retention * 1000),
            lead_ms=round(PROPOSAL_LEAD_SECONDS * 1000),
        )
        self._max_ttl = max_ttl
        self._timeout = node_timeout
        self._clock = clock
        self._largest_seen = 0
        self._observer = None if isinstance(observer, SilentObserver) else observer
        self._everywhere = range(len(self._urls))
        self._lock = threading.Lock()
        self._fanout = self._new_fanout()
        self._entered = _Entered(self)
        # By nonce: our name as a waiter, and the waiter who is to be next.
        self._handovers: dict[str, tuple[str, str]] = {}
        self._bell = self._new_bell()
        _ALIVE.add(self)

    def acquire(self, key: str, *, ttl: float, holder: str = "") -> Lease:
        """One attempt for ``key``, kept for ``ttl`` seconds. ``holder`` says to people who has it.

        Raises LeaseBusy (with the holder's remaining seconds, 0.0 if nobody holds it but others
        tried at the same moment), QuorumUnavailable, or ValueError for a bad key or TTL.
        """
        return self._acquire(key, ttl, holder, "", 0)

    def new_waiter(self, key: str) -> Waiter:
        """Somebody who is going to wait for ``key``; ends with ``stop_waiting``."""
        return Waiter(key, self._bell.expect(), self._clock.monotonic())

    def acquire_waiting(self, waiter: Waiter, *, ttl: float, holder: str = "") -> Lease:
        """As ``acquire``; when it is busy, ``waiter`` is in the nodes' waiting lists."""
        waited_ms = round((self._clock.monotonic() - waiter.since) * 1000)
        return self._acquire(waiter.key, ttl, holder, waiter.name, waited_ms)

    def wait_for_release(self, waiter: Waiter, timeout: float) -> bool:
        """Block until ``waiter`` is called, at most ``timeout`` seconds. Not holding up others."""
        return self._bell.wait(waiter.name, timeout)

    def stop_waiting(self, waiter: Waiter, *, withdraw: bool) -> None:
        """``withdraw``: take it off the waiting lists; a lease that was got has done so."""
        self._bell.forget(waiter.name)
        if withdraw:
            with self._entered as fanout:
                fanout.send(self._everywhere, Withdraw(waiter.key, waiter.name))

    def _acquire(self, key: str, ttl: float, holder: str, waiter: str, waited_ms: int) -> Lease:
        check_key(key)
        check_ttl(ttl, self._max_ttl)
        with self._entered as fanout:
            started = self._clock.monotonic()
            nonce = secrets.token_hex(16)
            proposal = self._proposal()
            request = Acquire(
                key, nonce, round(ttl * 1000), proposal, holder[:LONGEST_HOLDER], waiter, waited_ms
            )
            attempt = AcquireRound(request, len(self._urls))
            sent = self._drive(fanout, attempt, started + min(self._timeout, ttl))
            now = self._clock.monotonic()
            valid_until = started + ttl - drift(ttl)
            decision = attempt.decision
            if type(decision) is Won and now < valid_until:
                self._largest_seen = max(self._largest_seen, decision.token)
                if waiter or attempt.next:
                    self._handovers[nonce] = waiter, attempt.next
                self._tell("granted", now - started, attempt)
                return Lease(key, nonce, decision.token, ttl, valid_until, now, sent)
            self._note(attempt.answers)
            fanout.send(_indices(sent), Release(key, nonce))
            if isinstance(decision, Busy):
                self._tell("busy", now - started, attempt)
                raise LeaseBusy(key, decision.retry_after)
            self._tell("no_quorum", now - started, attempt)
            raise QuorumUnavailable(explain_no_quorum(fanout.nodes, attempt.answers))

    def extend(self, lease: Lease) -> Lease:
        """The same lease with a full TTL from now. Raises LeaseLost when a majority does not say,
        within the old validity, that it is still held."""
        with self._entered as fanout:
            started = self._clock.monotonic()
            left = lease.remaining(started)
            if left <= 0:
                raise LeaseLost(f"The lease {lease.key!r} ran out before it was extended.")
            request = Extend(lease.key, lease.nonce, round(lease.ttl * 1000), lease.token)
            vote = VoteRound(request, len(self._urls), self._everywhere)
            sent = self._drive(fanout, vote, started + min(self._timeout, left))
            held = vote.passed and self._clock.monotonic() < lease.valid_until
            self._tell("granted" if held else "lost", self._clock.monotonic() - started, vote)
            if held:
                valid_until = started + lease.ttl - drift(lease.ttl)
                return replace(lease, valid_until=valid_until, nodes=lease.nodes | sent)
            # What this round may have planted goes. What was held before stays until its end:
            # the holder may not have noticed yet.
            fanout.send(_indices(sent & ~lease.nodes), Release(lease.key, lease.nonce))
        raise LeaseLost(f"The lease {lease.key!r} could not be extended by a majority of nodes.")

    def release(self, lease: Lease) -> bool:
        """Give the lease back. True: a majority still had it as ours. False: it was not ours any
        more, or too few nodes answered to know. Never raises for faults of nodes."""
        return self._release(lease.key, lease.nonce, _indices(lease.nodes))

    def force_release(self, key: str, nonce: str) -> bool:
        """Take the lease with this nonce from its holder, who learns it at its next renewal; its
        fenced writes are refused once a newer holder has claimed. False: it was gone already, or
        too few nodes answered."""
        check_key(key)
        return self._release(key, nonce, self._everywhere)

    def leases(self, *, limit: int = 1000) -> list[LeaseSeen]:
        """What the nodes hold now, by key; looks at no more than about ``limit`` slots per node.
        Opens connections of its own, so it may take some seconds and holds nobody up."""
        return look_at_leases(self._urls, self._terms, self._timeout, limit)

    def close(self) -> None:
        """Drop the connections. The next call makes new ones."""
        with self._lock:
            self._fanout.close()
            self._fanout = self._new_fanout()
        self._bell.close()

    def _release(self, key: str, nonce: str, nodes: Sequence[int]) -> bool:
        with self._entered as fanout:
            started = self._clock.monotonic()
            waiter, after_us = self._handovers.pop(nonce, ("", ""))
            request = Release(key, nonce, waiter, after_us)
            vote = VoteRound(request, len(self._urls), nodes)
            self._drive(fanout, vote, started + self._timeout)
            passed = vote.passed
            if self._observer is not None:
                seconds = self._clock.monotonic() - started
                self._tell("released" if passed else "not_held", seconds, vote)
        return passed

    def _tell(self, outcome: str, seconds: float, done: AcquireRound | VoteRound) -> None:
        if self._observer is not None:
            self._observer.round_done(
                done.operation,
                outcome,
                seconds,
                second_round=done.confirmed,
                margin=done.votes - majority(len(self._urls)),
            )

    # -- driving a round ------------------------------------------------------

    def _drive(self, fanout: Fanout, machine: Round, deadline: float) -> int:
        """Run a round until ``deadline`` at most. The nodes it was sent to, as a mask."""
        monotonic = self._clock.monotonic
        sent = fanout.send(*machine.opening())
        while not machine.over:
            for node, reply in fanout.receive(deadline - monotonic()):
                if further := machine.take(node, reply):
                    fanout.send(*further)
            if not machine.over and monotonic() >= deadline:
                machine.give_up()
        return sent

    def _proposal(self) -> int:
        """The token to ask for: the wall clock in µs, so that order survives the loss of all
        nodes, and past every token seen, so that nodes with different memories agree at once."""
        wall_us = int(self._clock.wall() * 1_000_000)
        # One key's spoilt counter must not make nodes refuse this client for every other key.
        if self._largest_seen > wall_us + CLOCK_ALLOWANCE_SECONDS * 1_000_000:
            return wall_us
        return max(self._largest_seen + 1, wall_us)

    def _note(self, answers: Sequence[Reply | None]) -> None:
        seen = [answer.counter for answer in answers if isinstance(answer, Granted)]
        self._largest_seen = max(self._largest_seen, *seen, 0)

    def _new_fanout(self) -> Fanout:
        observer = self._observer or SilentObserver()
        return Fanout(self._urls, self._terms, self._timeout, self._clock, observer)

    def _new_bell(self) -> Bell:
        return Bell(self._urls, self._terms, self._timeout, self._clock)

    def _after_fork(self) -> None:
        """In the child: the parent's sockets and a lock that another thread may have held."""
        self._fanout.abandon()
        self._bell.abandon()
        self._lock = threading.Lock()
        self._fanout = self._new_fanout()
        self._bell = self._new_bell()


class _Entered:
    """The connections in the hands of one thread, ready for a round."""

    def __init__(self, backend: Redlock) -> None:
        self._backend = backend

    def __enter__(self) -> Fanout:
        backend = self._backend
        backend._lock.acquire()
        try:
            backend._fanout.begin()
        except BaseException:
            self._end_torn()
            raise
        return backend._fanout

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, TaskError):
            self._backend._lock.release()
        else:
            self._end_torn()

    def _end_torn(self) -> None:
        """A signal (Celery's soft time limit) may have struck between a request and its note: what
        answers what is unknown now, so these connections are not used again."""
        backend = self._backend
        try:
            backend._fanout.close()
            backend._fanout = backend._new_fanout()
        finally:
            backend._lock.release()


@lru_cache
def _indices(mask: int) -> tuple[int, ...]:
    return tuple(index for index in range(mask.bit_length()) if mask >> index & 1)


_ALIVE: WeakSet[Redlock] = WeakSet()


def _renew_all_after_fork() -> None:
    for backend in list(_ALIVE):
        backend._after_fork()


os.register_at_fork(after_in_child=_renew_all_after_fork)
