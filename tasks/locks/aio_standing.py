"""Waiting in the nodes' lists, on the event loop: the rules are those of ``standing``."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from tasks.errors import LeaseBusy, QuorumUnavailable
from tasks.locks.lease import Lease
from tasks.locks.messages import Acquire, Call, Request
from tasks.locks.node import Labelled
from tasks.locks.rounds import AcquireRound, Outgoing, Round
from tasks.locks.standing import FIRST_LOOK_SECONDS, LAST_LOOK_SECONDS, SPLIT_SECONDS
from tasks.locks.voting import Voting


class Client(Protocol):
    """Whose connections are used."""

    voting: Voting
    bell: str

    @property
    def nodes(self) -> Sequence[Labelled]: ...

    def join(self, nonce: str) -> "asyncio.Queue[Call]": ...

    def leave(self, nonce: str) -> None: ...

    def send(self, nodes: Iterable[int], request: Request) -> None: ...

    async def run(
        self, machine: Round, deadline: float, sent: set[int], further: Outgoing | None = None
    ) -> None: ...


class AsyncStanding:
    """One attempt in line. ``wait`` is called once."""

    def __init__(
        self, client: Client, request: Acquire, *, since_us: int, started: float, deadline: float
    ) -> None:
        """``since_us``: wall clock when the waiting began, which is the place in the line.
        ``started``, before the request was made, and ``deadline`` in monotonic seconds."""
        self._client = client
        self._voting = client.voting
        self._request = request
        self._ttl = request.ttl_ms / 1000
        self._started = started
        patience = self._voting.stand(request, since_us, client.bell)
        self._end = min(deadline, self._started + patience)
        self._sent: set[int] = set()
        self._attempt = AcquireRound(request, self._voting.size)

    async def wait(self, on_busy: Callable[[], None]) -> Lease:
        """Raises LeaseBusy when this attempt is over, QuorumUnavailable at once. Cancelled or
        over, it leaves nothing behind: what takes it back is sent before this returns."""
        calls = self._client.join(self._request.nonce)
        lease: Lease | None = None
        look = FIRST_LOOK_SECONDS
        try:
            while True:
                lease, refusal = await self._ask()
                if lease is not None:
                    return lease
                if isinstance(refusal, QuorumUnavailable):
                    raise refusal
                # Never longer than the holder's lease can last: it may be dead.
                longest = min(look, refusal.retry_after or look)
                lease = await self._listen(
                    calls, self._now() + self._voting.uniform(look / 2, longest)
                )
                if lease is not None:
                    return lease
                if self._attempt.votes or self._now() >= self._end:
                    raise refusal
                look = min(look * 2, LAST_LOOK_SECONDS)
                on_busy()
        finally:
            if lease is None:
                self._client.send(self._sent, self._voting.give_back(self._request))
                self._client.leave(self._request.nonce)

    async def _ask(self) -> tuple[Lease | None, LeaseBusy | QuorumUnavailable]:
        """Ask all nodes, again or for the first time: denied, we are in their lists."""
        began = self._now()
        self._attempt = AcquireRound(self._request, self._voting.size)
        limit = began + min(self._voting.timeout, self._ttl)
        await self._client.run(self._attempt, limit, self._sent)
        lease = self._lease()
        refusal = self._voting.refusal(self._attempt, self._request.key, self._client.nodes)
        outcome = "busy" if isinstance(refusal, LeaseBusy) else "no_quorum"
        self._voting.tell("acquire", "granted" if lease else outcome, began, self._attempt)
        return lease, refusal

    async def _listen(self, calls: "asyncio.Queue[Call]", until: float) -> Lease | None:
        """Until enough nodes have called; None after monotonic ``until``, or when the nodes are
        split, or the attempt is over."""
        until = min(until, self._end)
        began = 0.0
        while True:
            if self._attempt.votes and not began:
                began = self._now()
                until = min(until, began + self._voting.uniform(0.5, 1.5) * SPLIT_SECONDS)
            try:
                async with asyncio.timeout(until - self._now()):
                    call = await calls.get()
            except TimeoutError:
                return None
            further = self._attempt.called(call.node, call.counter)
            if further:
                limit = self._now() + self._voting.timeout
                await self._client.run(self._attempt, limit, set(), further)
            if (lease := self._lease()) is not None:
                self._voting.tell("handover", "granted", began or self._now(), self._attempt)
                return lease

    def _lease(self) -> Lease | None:
        mask = sum(1 << node for node in self._sent)
        return self._voting.lease(self._attempt, self._request, self._ttl, self._started, mask)

    def _now(self) -> float:
        return self._voting.clock.monotonic()
