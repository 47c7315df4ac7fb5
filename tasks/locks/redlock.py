"""Redlock over independent Redis servers, with a fencing token out of the quorum.

The protocol, why it holds and what it does not promise: docs/locking.md.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from weakref import WeakSet

from tasks.clock import SYSTEM_CLOCK, Clock
from tasks.errors import LeaseBusy, LeaseLost
from tasks.locks.connections import Connections
from tasks.locks.fanout import Fanout
from tasks.locks.inspection import LeaseSeen, look_at_leases
from tasks.locks.lease import Lease
from tasks.locks.limits import (
    CLOCK_ALLOWANCE_SECONDS,
    PROPOSAL_LEAD_SECONDS,
    RETENTION_SECONDS,
    check_key,
    check_prefix,
    check_urls,
    drift,
)
from tasks.locks.messages import Extend, Release, nodes_in
from tasks.locks.observer import LockObserver, SilentObserver
from tasks.locks.rounds import AcquireRound, VoteRound
from tasks.locks.standing import Standing
from tasks.locks.voting import Voting
from tasks.locks.waiting import QueueingBackend
from tasks.locks.wire import Terms

SILENT = SilentObserver()


class Redlock(QueueingBackend):
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
        self._timeout = node_timeout
        self._clock = clock
        self._observer = observer
        self._size = len(self._urls)
        self._everywhere = range(self._size)
        self._voting = Voting(self._size, max_ttl, node_timeout, clock, observer)
        self._connections = Connections(self._new_fanout)
        _ALIVE.add(self)

    def acquire(self, key: str, *, ttl: float, holder: str = "") -> Lease:
        """One attempt for ``key``, kept for ``ttl`` seconds. ``holder`` says to people who has it.

        Raises LeaseBusy (with the holder's remaining seconds, 0.0 if nobody holds it but others
        tried at the same moment), QuorumUnavailable, or ValueError for a bad key or TTL.
        """
        voting = self._voting
        with self._connections as fanout:
            started = self._clock.monotonic()
            request = voting.request(key, ttl, holder)
            attempt = AcquireRound(request, self._size)
            sent = fanout.run(attempt, started + min(self._timeout, ttl))
            lease = voting.lease(attempt, request, ttl, started, sent)
            if lease is not None:
                voting.tell("acquire", "granted", started, attempt)
                return lease
            fanout.send(nodes_in(sent), voting.give_back(request))
            refusal = voting.refusal(attempt, key, fanout.nodes)
            outcome = "busy" if isinstance(refusal, LeaseBusy) else "no_quorum"
            voting.tell("acquire", outcome, started, attempt)
            raise refusal

    def acquire_within(
        self,
        key: str,
        *,
        ttl: float,
        wait: float,
        holder: str = "",
        on_busy: Callable[[], None] = lambda: None,
    ) -> Lease:
        """As ``acquire``, in the nodes' waiting lists for at most ``wait`` seconds: whoever
        releases the key hands it to the one who has waited longest. ``on_busy`` is called before
        each further try. Raises LeaseBusy when the time is over, QuorumUnavailable at once.
        """
        deadline = self._clock.monotonic() + wait
        since_us = int(self._clock.wall() * 1_000_000)
        while True:
            # Before the request: a lease must not be younger than the number that it proposes.
            started = self._clock.monotonic()
            request = self._voting.request(key, ttl, holder)
            standing = Standing(
                self._voting,
                self._connections,
                request,
                since_us=since_us,
                started=started,
                deadline=deadline,
            )
            try:
                return standing.wait(on_busy)
            except LeaseBusy:
                if self._clock.monotonic() >= deadline:
                    raise
                on_busy()

    def extend(self, lease: Lease) -> Lease:
        """The same lease with a full TTL from now. Raises LeaseLost when a majority does not say,
        within the old validity, that it is still held."""
        with self._connections as fanout:
            started = self._clock.monotonic()
            left = lease.remaining(started)
            if left <= 0:
                raise LeaseLost(f"The lease {lease.key!r} ran out before it was extended.")
            request = Extend(lease.key, lease.nonce, round(lease.ttl * 1000), lease.token)
            vote = VoteRound(request, self._size, self._everywhere)
            sent = fanout.run(vote, started + min(self._timeout, left))
            held = vote.passed and self._clock.monotonic() < lease.valid_until
            self._voting.tell("extend", "granted" if held else "lost", started, vote)
            if held:
                valid_until = started + lease.ttl - drift(lease.ttl)
                return replace(lease, valid_until=valid_until, nodes=lease.nodes | sent)
            # What this round may have planted goes. What was held before stays until its end:
            # the holder may not have noticed yet.
            planted = Release(lease.key, lease.nonce, self._voting.proposal())
            fanout.send(nodes_in(sent & ~lease.nodes), planted)
        raise LeaseLost(f"The lease {lease.key!r} could not be extended by a majority of nodes.")

    def release(self, lease: Lease) -> bool:
        """Give the lease back. True: a majority still had it as ours. False: it was not ours any
        more, or too few nodes answered to know. Never raises for faults of nodes."""
        request = Release(lease.key, lease.nonce, self._voting.proposal(), lease.entry)
        return self._release(request, nodes_in(lease.nodes))

    def let_go(self, lease: Lease, told: Callable[[bool], None]) -> None:
        """As ``release``, but nobody waits for the nodes to answer: the requests are on their way
        when this returns, ahead of whatever this process asks for next. ``told`` hears later what
        ``release`` would have returned, from whichever thread reads it; not at all if the process
        ends before."""
        request = Release(lease.key, lease.nonce, self._voting.proposal(), lease.entry)
        vote = VoteRound(request, self._size, nodes_in(lease.nodes))

        def tell(passed: bool) -> None:
            if lease.entry:
                self._connections.line.leave(lease.nonce)
            self._voting.tell("release", "released" if passed else "not_held", None, vote)
            told(passed)

        with self._connections as fanout:
            fanout.run_behind(vote, self._timeout, tell)

    def force_release(self, key: str, nonce: str) -> bool:
        """Take the lease with this nonce from its holder, who learns it at its next renewal; its
        fenced writes are refused once a newer holder has claimed. False: it was gone already, or
        too few nodes answered."""
        check_key(key)
        return self._release(Release(key, nonce, self._voting.proposal()), self._everywhere)

    def leases(self, *, limit: int = 1000) -> list[LeaseSeen]:
        """What the nodes hold now, by key; looks at no more than about ``limit`` slots per node.
        Opens connections of its own, so it may take some seconds and holds nobody up."""
        return look_at_leases(self._urls, self._terms, self._timeout, limit)

    def close(self) -> None:
        """Drop the connections. The next call makes new ones."""
        self._connections.close()

    def _release(self, request: Release, nodes: Sequence[int]) -> bool:
        with self._connections as fanout:
            started = self._clock.monotonic()
            vote = VoteRound(request, self._size, nodes)
            fanout.run(vote, started + self._timeout)
            self._voting.tell("release", "released" if vote.passed else "not_held", started, vote)
        if request.entry:
            # Not before the calls that came with the answers: they were for this lease.
            self._connections.line.leave(request.nonce)
        return vote.passed

    def _new_fanout(self, bell: str) -> Fanout:
        return Fanout(self._urls, self._terms, self._timeout, self._clock, self._observer, bell)


_ALIVE: WeakSet[Redlock] = WeakSet()


def _renew_all_after_fork() -> None:
    for backend in list(_ALIVE):
        backend._connections.after_fork()


os.register_at_fork(after_in_child=_renew_all_after_fork)
