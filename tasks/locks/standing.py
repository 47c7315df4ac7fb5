"""Waiting in the nodes' lists until whoever has the key hands it over.

A lease that was waited for counts from the first request of its attempt, because a node may hand
the key over at any time after. So an attempt cannot wait for ever: after its patience, or when the
nodes are split between two, it is given up for a new one with the same place in the line.
"""

from collections.abc import Callable

from tasks.errors import LeaseBusy, QuorumUnavailable
from tasks.locks.connections import Connections
from tasks.locks.fanout import Fanout
from tasks.locks.lease import Lease
from tasks.locks.messages import Acquire, nodes_in
from tasks.locks.rounds import AcquireRound
from tasks.locks.voting import Voting

FIRST_LOOK_SECONDS = 0.05
"""It asks again after so long, and then by and by: a call may be lost, and a holder may die."""
LAST_LOOK_SECONDS = 0.25
SPLIT_SECONDS = 0.02
"""A release reaches all nodes within a moment. Whoever was handed the key by too few of them by
then stands in the way of somebody who was handed it by the others."""


class Standing:
    """One attempt in line. ``wait`` is called once."""

    def __init__(
        self,
        voting: Voting,
        connections: Connections,
        request: Acquire,
        *,
        since_us: int,
        deadline: float,
    ) -> None:
        """``since_us``: wall clock when the waiting began, which is the place in the line.
        ``deadline`` in monotonic seconds."""
        self._voting = voting
        self._connections = connections
        self._request = request
        self._ttl = request.ttl_ms / 1000
        self._started = voting.clock.monotonic()
        patience = voting.stand(request, since_us, connections.line.bell)
        self._end = min(deadline, self._started + patience)
        self._sent = 0
        self._attempt = AcquireRound(request, voting.size)
        self._sockets: list[int] = []

    def wait(self, on_busy: Callable[[], None]) -> Lease:
        """Raises LeaseBusy when this attempt is over, QuorumUnavailable at once."""
        line, nonce = self._connections.line, self._request.nonce
        self._turn = line.join(nonce)
        lease: Lease | None = None
        look = FIRST_LOOK_SECONDS
        try:
            while True:
                lease, refusal = self._ask()
                if lease is not None:
                    return lease
                if isinstance(refusal, QuorumUnavailable):
                    raise refusal
                # Never longer than the holder's lease can last: it may be dead.
                longest = min(look, refusal.retry_after or look)
                lease = self._listen(self._now() + self._voting.uniform(look / 2, longest))
                if lease is not None:
                    return lease
                if self._attempt.votes or self._now() >= self._end:
                    raise refusal
                look = min(look * 2, LAST_LOOK_SECONDS)
                on_busy()
        finally:
            if lease is None:
                with self._connections as fanout:
                    fanout.send(nodes_in(self._sent), self._voting.give_back(self._request))
                    line.leave(nonce)

    def _ask(self) -> tuple[Lease | None, LeaseBusy | QuorumUnavailable]:
        """Ask all nodes, again or for the first time: denied, we are in their lists."""
        with self._connections as fanout:
            self._turn.get_up()
            began = self._now()
            self._attempt = AcquireRound(self._request, self._voting.size)
            limit = began + min(self._voting.timeout, self._ttl)
            self._sent |= fanout.run(self._attempt, limit)
            lease = self._lease()
            refusal = self._voting.refusal(self._attempt, self._request.key, fanout.nodes)
            outcome = "busy" if isinstance(refusal, LeaseBusy) else "no_quorum"
            self._voting.tell("acquire", "granted" if lease else outcome, began, self._attempt)
            self._lie_down(fanout)
            return lease, refusal

    def _listen(self, until: float) -> Lease | None:
        """Until enough nodes have called; None after monotonic ``until``, or when the nodes are
        split, or the attempt is over."""
        until = min(until, self._end)
        began = 0.0
        while True:
            if self._attempt.votes and not began:
                began = self._now()
                until = min(until, began + self._voting.uniform(0.5, 1.5) * SPLIT_SECONDS)
            self._turn.sleep(self._sockets, until - self._now())
            with self._connections as fanout:
                self._turn.get_up()
                fanout.listen()
                self._connections.pass_on_calls()
                lease = self._hear(fanout)
                if lease is not None:
                    self._voting.tell("handover", "granted", began or self._now(), self._attempt)
                    return lease
                if self._now() >= until:
                    return None
                self._lie_down(fanout)

    def _hear(self, fanout: Fanout) -> Lease | None:
        """What the calls so far come to."""
        calls, self._turn.calls = self._turn.calls, []
        for call in calls:
            further = self._attempt.called(call.node, call.counter)
            if further:
                fanout.run(self._attempt, self._now() + self._voting.timeout, further)
        return self._lease()

    def _lease(self) -> Lease | None:
        return self._voting.lease(
            self._attempt, self._request, self._ttl, self._started, self._sent
        )

    def _lie_down(self, fanout: Fanout) -> None:
        self._turn.lie_down()
        self._sockets = fanout.sockets()

    def _now(self) -> float:
        return self._voting.clock.monotonic()
