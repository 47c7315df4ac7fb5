"""Redlock over independent Redis servers, with a fencing token out of the quorum.

The protocol, why it holds and what it does not promise: docs/locking.md.
"""

import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from weakref import WeakSet

from tasks.clock import SYSTEM_CLOCK, Clock
from tasks.errors import LeaseBusy, LeaseLost, QuorumUnavailable, TaskError
from tasks.locks.decision import Busy, Won
from tasks.locks.diagnosis import explain_no_quorum
from tasks.locks.fanout import Fanout
from tasks.locks.lease import Lease
from tasks.locks.limits import (
    CLOCK_ALLOWANCE_SECONDS,
    PROPOSAL_LEAD_SECONDS,
    RETENTION_SECONDS,
    check_key,
    check_ttl,
    check_urls,
    drift,
)
from tasks.locks.messages import Acquire, Extend, Granted, Release, Reply
from tasks.locks.rounds import AcquireRound, Round, VoteRound
from tasks.locks.wire import Terms


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
    ) -> None:
        """``max_ttl``, ``node_timeout`` and ``retention`` in seconds. Raises ValueError."""
        check_urls(urls)
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
        self._lock = threading.Lock()
        self._fanout = self._new_fanout()
        _ALIVE.add(self)

    def acquire(self, key: str, *, ttl: float, holder: str = "") -> Lease:
        """One attempt for ``key``, kept for ``ttl`` seconds. ``holder`` says to people who has it.

        Raises LeaseBusy (with the holder's remaining seconds, 0.0 if nobody holds it but others
        tried at the same moment), QuorumUnavailable, or ValueError for a bad key or TTL.
        """
        check_key(key)
        check_ttl(ttl, self._max_ttl)
        with self._entered() as fanout:
            started = self._clock.monotonic()
            nonce = secrets.token_hex(16)
            request = Acquire(key, nonce, round(ttl * 1000), self._proposal())
            attempt = AcquireRound(request, len(self._urls))
            sent = self._drive(fanout, attempt, min(self._timeout, ttl))
            self._note(attempt.answers)
            now = self._clock.monotonic()
            valid_until = started + ttl - drift(ttl)
            if isinstance(attempt.decision, Won) and now < valid_until:
                token = attempt.decision.token
                return Lease(key, nonce, token, ttl, valid_until, now, sent)
            self._send_all(fanout, Release(key, nonce), sent)
            if isinstance(attempt.decision, Busy):
                raise LeaseBusy(key, attempt.decision.retry_after)
            raise QuorumUnavailable(explain_no_quorum(fanout.nodes, attempt.answers))

    def extend(self, lease: Lease) -> Lease:
        """The same lease with a full TTL from now. Raises LeaseLost when a majority does not say,
        within the old validity, that it is still held."""
        with self._entered() as fanout:
            started = self._clock.monotonic()
            left = lease.remaining(started)
            if left <= 0:
                raise LeaseLost(f"The lease {lease.key!r} ran out before it was extended.")
            request = Extend(lease.key, lease.nonce, round(lease.ttl * 1000), lease.token)
            vote = VoteRound(request, len(self._urls), range(len(self._urls)))
            sent = self._drive(fanout, vote, min(self._timeout, left))
            if vote.passed and self._clock.monotonic() < lease.valid_until:
                valid_until = started + lease.ttl - drift(lease.ttl)
                return replace(lease, valid_until=valid_until, nodes=lease.nodes | sent)
            # What this round may have planted goes. What was held before stays until its end:
            # the holder may not have noticed yet.
            self._send_all(fanout, Release(lease.key, lease.nonce), sent & ~lease.nodes)
        raise LeaseLost(f"The lease {lease.key!r} could not be extended by a majority of nodes.")

    def release(self, lease: Lease) -> bool:
        """Give the lease back. True: a majority still had it as ours. False: it was not ours any
        more, or too few nodes answered to know. Never raises for faults of nodes."""
        with self._entered() as fanout:
            size = len(self._urls)
            nodes = [node for node in range(size) if lease.nodes >> node & 1]
            vote = VoteRound(Release(lease.key, lease.nonce), size, nodes)
            self._drive(fanout, vote, self._timeout)
        return vote.passed

    def close(self) -> None:
        """Drop the connections. The next call makes new ones."""
        with self._lock:
            self._fanout.close()
            self._fanout = self._new_fanout()

    # -- driving a round ------------------------------------------------------

    def _drive(self, fanout: Fanout, machine: Round, limit: float) -> int:
        """Run a round, at most ``limit`` seconds. The nodes it was sent to, as a mask."""
        deadline = self._clock.monotonic() + limit
        sent = 0
        for node, request in machine.opening():
            sent |= fanout.send(node, request) << node
        while not machine.over:
            for node, reply in fanout.receive(deadline - self._clock.monotonic()):
                for target, request in machine.take(node, reply):
                    fanout.send(target, request)
            if self._clock.monotonic() >= deadline and not machine.over:
                machine.give_up()
        return sent

    def _send_all(self, fanout: Fanout, request: Release, nodes: int) -> None:
        """Send without waiting: the answers are read when the connection is used next."""
        for node in range(len(self._urls)):
            if nodes >> node & 1:
                fanout.send(node, request)

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

    @contextmanager
    def _entered(self) -> Iterator[Fanout]:
        with self._lock:
            try:
                self._fanout.begin()
                yield self._fanout
            except TaskError:
                raise
            except BaseException:
                # A signal (Celery's soft time limit) may have struck between a request and its
                # note: what answers what is unknown now, so these connections are not used again.
                self._fanout.close()
                self._fanout = self._new_fanout()
                raise

    def _new_fanout(self) -> Fanout:
        return Fanout(self._urls, self._terms, self._timeout, self._clock)

    def _after_fork(self) -> None:
        """In the child: the parent's sockets and a lock that another thread may have held."""
        self._fanout.abandon()
        self._lock = threading.Lock()
        self._fanout = self._new_fanout()


_ALIVE: WeakSet[Redlock] = WeakSet()


def _renew_all_after_fork() -> None:
    for backend in list(_ALIVE):
        backend._after_fork()


os.register_at_fork(after_in_child=_renew_all_after_fork)
