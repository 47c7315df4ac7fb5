"""Redlock for asyncio: the protocol of ``redlock``, with the same rounds and decisions, on the
event loop instead of a poll. No thread; rounds of several tasks share the connections."""

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from tasks.clock import SYSTEM_CLOCK, Clock
from tasks.errors import LeaseBusy, LeaseLost, QuorumUnavailable
from tasks.locks.aio_node import AsyncNode
from tasks.locks.decision import Busy, Won, majority
from tasks.locks.diagnosis import explain_no_quorum
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
from tasks.locks.messages import Acquire, Extend, Granted, Release, Reply, Request
from tasks.locks.observer import LockObserver, SilentObserver
from tasks.locks.rounds import AcquireRound, Round, VoteRound
from tasks.locks.wire import Encoder, Terms

LONGEST_HOLDER = 300
"""Characters of a holder's description that are kept."""


class AsyncRedlock:
    """Belongs to the event loop that it is first used in. Durations in seconds."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        prefix: str,
        max_ttl: float,
        node_timeout: float,
        clock: Clock = SYSTEM_CLOCK,
        observer: LockObserver | None = None,
    ) -> None:
        """Raises ValueError."""
        check_urls(urls)
        observer = observer or SilentObserver()
        terms = Terms(
            prefix=prefix,
            quarantine_ms=round((max_ttl + CLOCK_ALLOWANCE_SECONDS) * 1000),
            retention_ms=round(RETENTION_SECONDS * 1000),
            lead_ms=round(PROPOSAL_LEAD_SECONDS * 1000),
        )
        encoder = Encoder(terms)
        self._nodes = [
            AsyncNode(index, url, encoder, node_timeout, clock, observer)
            for index, url in enumerate(urls)
        ]
        self._max_ttl = max_ttl
        self._timeout = node_timeout
        self._clock = clock
        self._observer = observer
        self._largest_seen = 0
        # By nonce: the waiter of another client who is to be next.
        self._next: dict[str, str] = {}

    async def acquire(self, key: str, *, ttl: float, holder: str = "") -> Lease:
        """One attempt. Raises LeaseBusy, QuorumUnavailable, or ValueError for a bad key or TTL.

        When it is cancelled on the way, RELEASE follows every ACQUIRE that was sent.
        """
        check_key(key)
        check_ttl(ttl, self._max_ttl)
        await self._ready()
        started = self._clock.monotonic()
        nonce = secrets.token_hex(16)
        request = Acquire(key, nonce, round(ttl * 1000), self._proposal(), holder[:LONGEST_HOLDER])
        attempt = AcquireRound(request, len(self._nodes))
        won = False
        sent: set[int] = set()
        try:
            await self._drive(attempt, started + min(self._timeout, ttl), sent)
            self._note(attempt.answers)
            now = self._clock.monotonic()
            valid_until = started + ttl - drift(ttl)
            decision = attempt.decision
            if isinstance(decision, Won) and now < valid_until:
                won = True
                if attempt.next:
                    self._next[nonce] = attempt.next
                self._tell("granted", now - started, attempt)
                return Lease(key, nonce, decision.token, ttl, valid_until, now, _mask(sent))
        finally:
            if not won:
                self._send(sent, Release(key, nonce))
        if isinstance(decision, Busy):
            self._tell("busy", now - started, attempt)
            raise LeaseBusy(key, decision.retry_after)
        self._tell("no_quorum", now - started, attempt)
        nodes: Any = self._nodes
        raise QuorumUnavailable(explain_no_quorum(nodes, attempt.answers))

    async def extend(self, lease: Lease) -> Lease:
        """The same lease with a full TTL from now. Raises LeaseLost."""
        await self._ready()
        started = self._clock.monotonic()
        left = lease.remaining(started)
        if left <= 0:
            raise LeaseLost(f"The lease {lease.key!r} ran out before it was extended.")
        request = Extend(lease.key, lease.nonce, round(lease.ttl * 1000), lease.token)
        vote = VoteRound(request, len(self._nodes), range(len(self._nodes)))
        sent: set[int] = set()
        await self._drive(vote, started + min(self._timeout, left), sent)
        now = self._clock.monotonic()
        held = vote.passed and now < lease.valid_until
        self._tell("granted" if held else "lost", now - started, vote)
        if held:
            valid_until = started + lease.ttl - drift(lease.ttl)
            return replace(lease, valid_until=valid_until, nodes=lease.nodes | _mask(sent))
        planted = [node for node in sent if not lease.nodes >> node & 1]
        self._send(planted, Release(lease.key, lease.nonce))
        raise LeaseLost(f"The lease {lease.key!r} could not be extended by a majority of nodes.")

    async def release(self, lease: Lease) -> bool:
        """True: a majority still had it as ours. RELEASE is sent before the first await, so a
        cancellation does not keep the key taken. Never raises for faults of nodes."""
        started = self._clock.monotonic()
        # To all nodes, since an extension that was cancelled may have planted it anywhere.
        request = Release(lease.key, lease.nonce, next=self._next.pop(lease.nonce, ""))
        vote = VoteRound(request, len(self._nodes), range(len(self._nodes)))
        await self._drive(vote, started + self._timeout, set())
        seconds = self._clock.monotonic() - started
        self._tell("released" if vote.passed else "not_held", seconds, vote)
        return vote.passed

    async def aclose(self) -> None:
        """Drop the connections. The next call makes new ones."""
        await asyncio.gather(*(node.close() for node in self._nodes))

    # -- driving a round ------------------------------------------------------

    async def _ready(self) -> None:
        """Wait for connections being made while fewer than a majority is usable."""
        deadline = self._clock.monotonic() + 2 * self._timeout
        for node in self._nodes:
            node.look_after()
        while sum(node.usable for node in self._nodes) < majority(len(self._nodes)):
            connecting = [node.connecting for node in self._nodes if node.connecting is not None]
            left = deadline - self._clock.monotonic()
            if not connecting or left <= 0:
                break
            await asyncio.wait(connecting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        self._refuse_twins()

    def _refuse_twins(self) -> None:
        known: dict[str, AsyncNode] = {}
        for node in self._nodes:
            if node.connected and known.setdefault(node.run_id, node) is not node:
                twin = known[node.run_id].name
                node.refuse(f"it is the same server as {twin}: list each node once")

    async def _drive(self, machine: Round, deadline: float, sent: set[int]) -> None:
        """Run a round until ``deadline`` at most; ``sent`` collects the nodes that may know it."""
        replies: asyncio.Queue[tuple[int, Reply]] = asyncio.Queue()

        def hear(node: int, reply: Reply) -> None:
            replies.put_nowait((node, reply))

        nodes, request = machine.opening()
        sent.update(node for node in nodes if self._nodes[node].send(request, hear))
        try:
            async with asyncio.timeout(deadline - self._clock.monotonic()):
                while not machine.over:
                    if further := machine.take(*await replies.get()):
                        for node in further[0]:
                            self._nodes[node].send(further[1], hear)
        except TimeoutError:
            machine.give_up()

    def _send(self, nodes: Iterable[int], request: Request) -> None:
        for node in nodes:
            self._nodes[node].send(request, None)

    def _tell(self, outcome: str, seconds: float, done: AcquireRound | VoteRound) -> None:
        self._observer.round_done(
            done.operation,
            outcome,
            seconds,
            second_round=done.confirmed,
            margin=done.votes - majority(len(self._nodes)),
        )

    def _proposal(self) -> int:
        wall_us = int(self._clock.wall() * 1_000_000)
        # One key's spoilt counter must not make nodes refuse this client for every other key.
        if self._largest_seen > wall_us + CLOCK_ALLOWANCE_SECONDS * 1_000_000:
            return wall_us
        return max(self._largest_seen + 1, wall_us)

    def _note(self, answers: Sequence[Reply | None]) -> None:
        seen = [answer.counter for answer in answers if isinstance(answer, Granted)]
        self._largest_seen = max(self._largest_seen, *seen, 0)


def _mask(nodes: Iterable[int]) -> int:
    return sum(1 << node for node in nodes)
