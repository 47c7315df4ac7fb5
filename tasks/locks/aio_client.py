"""Redlock for asyncio: the protocol of ``redlock``, with the same rounds and decisions, on the
event loop instead of a poll. No thread; rounds of several tasks share the connections."""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from tasks.clock import SYSTEM_CLOCK, Clock
from tasks.errors import LeaseBusy, LeaseLost
from tasks.locks.aio_node import AsyncNode
from tasks.locks.aio_standing import AsyncStanding
from tasks.locks.decision import majority
from tasks.locks.lease import Lease
from tasks.locks.limits import (
    CLOCK_ALLOWANCE_SECONDS,
    PROPOSAL_LEAD_SECONDS,
    RETENTION_SECONDS,
    check_urls,
    drift,
)
from tasks.locks.messages import Call, Extend, Release, Reply, Request
from tasks.locks.observer import LockObserver, SilentObserver
from tasks.locks.rounds import AcquireRound, Outgoing, Round, VoteRound
from tasks.locks.voting import Voting
from tasks.locks.wire import Encoder, Terms, parse_call, subscribe


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
        self.bell = secrets.token_hex(8)
        """The name on which nodes call those who wait in this loop."""
        greeting = subscribe(terms, self.bell)
        self.nodes = [
            AsyncNode(index, url, encoder, node_timeout, clock, observer, greeting, self._hear)
            for index, url in enumerate(urls)
        ]
        self.voting = Voting(len(self.nodes), max_ttl, node_timeout, clock, observer)
        self._terms = terms
        self._timeout = node_timeout
        self._clock = clock
        self._turns: dict[str, asyncio.Queue[Call]] = {}

    async def acquire(self, key: str, *, ttl: float, holder: str = "") -> Lease:
        """One attempt. Raises LeaseBusy, QuorumUnavailable, or ValueError for a bad key or TTL.

        When it is cancelled on the way, RELEASE follows every ACQUIRE that was sent.
        """
        voting = self.voting
        await self.ready()
        # Before the request: a lease must not be younger than the number that it proposes.
        started = self._clock.monotonic()
        request = voting.request(key, ttl, holder)
        attempt = AcquireRound(request, len(self.nodes))
        sent: set[int] = set()
        lease = None
        try:
            await self.run(attempt, started + min(self._timeout, ttl), sent)
            lease = voting.lease(attempt, request, ttl, started, mask(sent))
        finally:
            if lease is None:
                self.send(sent, voting.give_back(request))
        if lease is not None:
            voting.tell("acquire", "granted", started, attempt)
            return lease
        refusal = voting.refusal(attempt, key, self.nodes)
        outcome = "busy" if isinstance(refusal, LeaseBusy) else "no_quorum"
        voting.tell("acquire", outcome, started, attempt)
        raise refusal

    async def acquire_within(
        self,
        key: str,
        *,
        ttl: float,
        wait: float,
        holder: str = "",
        on_busy: Callable[[], None] = lambda: None,
    ) -> Lease:
        """As ``acquire``, in the same line as everybody else for at most ``wait`` seconds.

        Raises LeaseBusy when the time is over, QuorumUnavailable at once.
        """
        deadline = self._clock.monotonic() + wait
        since_us = int(self._clock.wall() * 1_000_000)
        while True:
            await self.ready()
            started = self._clock.monotonic()
            request = self.voting.request(key, ttl, holder)
            standing = AsyncStanding(
                self, request, since_us=since_us, started=started, deadline=deadline
            )
            try:
                return await standing.wait(on_busy)
            except LeaseBusy:
                if self._clock.monotonic() >= deadline:
                    raise
                on_busy()

    async def extend(self, lease: Lease) -> Lease:
        """The same lease with a full TTL from now. Raises LeaseLost."""
        await self.ready()
        started = self._clock.monotonic()
        left = lease.remaining(started)
        if left <= 0:
            raise LeaseLost(f"The lease {lease.key!r} ran out before it was extended.")
        request = Extend(lease.key, lease.nonce, round(lease.ttl * 1000), lease.token)
        vote = VoteRound(request, len(self.nodes), range(len(self.nodes)))
        sent: set[int] = set()
        await self.run(vote, started + min(self._timeout, left), sent)
        held = vote.passed and self._clock.monotonic() < lease.valid_until
        self.voting.tell("extend", "granted" if held else "lost", started, vote)
        if held:
            valid_until = started + lease.ttl - drift(lease.ttl)
            return replace(lease, valid_until=valid_until, nodes=lease.nodes | mask(sent))
        planted = [node for node in sent if not lease.nodes >> node & 1]
        self.send(planted, Release(lease.key, lease.nonce, self.voting.proposal()))
        raise LeaseLost(f"The lease {lease.key!r} could not be extended by a majority of nodes.")

    async def release(self, lease: Lease) -> bool:
        """True: a majority still had it as ours. RELEASE is sent before the first await, so a
        cancellation does not keep the key taken. Never raises for faults of nodes."""
        started = self._clock.monotonic()
        # To all nodes, since an extension that was cancelled may have planted it anywhere.
        request = Release(lease.key, lease.nonce, self.voting.proposal(), lease.entry)
        vote = VoteRound(request, len(self.nodes), range(len(self.nodes)))
        try:
            await self.run(vote, started + self._timeout, set())
        finally:
            self.leave(lease.nonce)
        self.voting.tell("release", "released" if vote.passed else "not_held", started, vote)
        return vote.passed

    async def aclose(self) -> None:
        """Drop the connections. The next call makes new ones."""
        await asyncio.gather(*(node.close() for node in self.nodes))

    # -- those who wait ----------------------------------------------------------

    def join(self, nonce: str) -> asyncio.Queue[Call]:
        """Where the calls for this nonce arrive, until ``leave``."""
        turn = self._turns[nonce] = asyncio.Queue()
        return turn

    def leave(self, nonce: str) -> None:
        self._turns.pop(nonce, None)

    def _hear(self, node: int, said: Any) -> None:
        call = parse_call(node, self._terms, said)
        if call is None:
            return
        if turn := self._turns.get(call.nonce):
            turn.put_nowait(call)
        else:
            # Whoever waited does so no more, so nobody else would give it back.
            self.send((node,), Release(call.key, call.nonce))

    # -- driving a round ------------------------------------------------------

    async def ready(self) -> None:
        """Wait for connections being made while fewer than a majority is usable."""
        deadline = self._clock.monotonic() + 2 * self._timeout
        for node in self.nodes:
            node.look_after()
        while sum(node.usable for node in self.nodes) < majority(len(self.nodes)):
            connecting = [node.connecting for node in self.nodes if node.connecting is not None]
            left = deadline - self._clock.monotonic()
            if not connecting or left <= 0:
                break
            await asyncio.wait(connecting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        self._refuse_twins()

    def _refuse_twins(self) -> None:
        known: dict[str, AsyncNode] = {}
        for node in self.nodes:
            if node.connected and known.setdefault(node.run_id, node) is not node:
                twin = known[node.run_id].name
                node.refuse(f"it is the same server as {twin}: list each node once")

    async def run(
        self, machine: Round, deadline: float, sent: set[int], further: Outgoing | None = None
    ) -> None:
        """A round until it is over, at ``deadline`` at the latest; ``further``: it goes on with
        this. ``sent`` collects the nodes that may know the first request."""
        replies: asyncio.Queue[tuple[int, Reply]] = asyncio.Queue()

        def hear(node: int, reply: Reply) -> None:
            replies.put_nowait((node, reply))

        nodes, request = further or machine.opening()
        sent.update(node for node in nodes if self.nodes[node].send(request, hear))
        try:
            async with asyncio.timeout(deadline - self._clock.monotonic()):
                while not machine.over:
                    if next_ := machine.take(*await replies.get()):
                        for node in next_[0]:
                            self.nodes[node].send(next_[1], hear)
        except TimeoutError:
            machine.give_up()

    def send(self, nodes: Iterable[int], request: Request) -> None:
        """Nobody waits for the answers."""
        for node in nodes:
            self.nodes[node].send(request, None)


def mask(nodes: Iterable[int]) -> int:
    return sum(1 << node for node in nodes)
