"""Waiting in the nodes' lists until whoever has the key hands it over.

A lease that was waited for counts from the first request of its attempt, because a node may hand
the key over at any time after. So an attempt cannot wait for ever: after its patience, or when the
nodes are split between two, it is given up for a new one with the same place in the line.
"""

from collections.abc import Callable

from tasks.errors import LeaseBusy, QuorumUnavailable
from tasks.locks.connections import Connections
from tasks.locks.decision import majority
from tasks.locks.lease import Lease
from tasks.locks.messages import Acquire, nodes_in
from tasks.locks.rounds import AcquireRound, Outgoing
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
        started: float,
        deadline: float,
    ) -> None:
        """``since_us``: wall clock when the waiting began, which is the place in the line.
        ``started``, before the request was made, and ``deadline`` in monotonic seconds."""
        self._voting = voting
        self._connections = connections
        self._request = request
        self._ttl = request.ttl_ms / 1000
        self._started = started
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
        voting = self._voting
        with self._connections as fanout:
            self._turn.get_up()
            began = self._now()
            attempt = self._attempt = AcquireRound(self._request, voting.size)
            self._sent |= fanout.run(attempt, began + min(voting.timeout, self._ttl))
            lease = self._lease()
            refusal = voting.refusal(attempt, self._request.key, fanout.nodes)
            outcome = "busy" if isinstance(refusal, LeaseBusy) else "no_quorum"
            voting.tell("acquire", "granted" if lease else outcome, began, attempt)
            self._turn.lie_down()
            self._sockets = fanout.sockets()
        return lease, refusal

    def _listen(self, until: float) -> Lease | None:
        """Until enough nodes have called; None after monotonic ``until``, or when the nodes are
        split, or the attempt is over."""
        until = min(until, self._end)
        began = 0.0
        while True:
            sockets = self._sockets
            if not self._attempt.votes:
                # A RELEASE is sent in the order of the nodes, and no majority is without one of
                # the last: so it is not woken by the first call, to find that others are missing.
                sockets = sockets[majority(self._voting.size) - 1 :]
            elif not began:
                began = self._now()
                until = min(until, began + self._voting.uniform(0.5, 1.5) * SPLIT_SECONDS)
            said = self._turn.sleep(sockets, until - self._now())
            calls, self._sockets = self._connections.hear(self._turn, said or self._everywhere())
            for call in calls:
                if further := self._attempt.called(call.node, call.counter):
                    self._confirm(further)
            if self._attempt.over and (lease := self._lease()) is not None:
                self._voting.tell("handover", "granted", began or self._now(), self._attempt)
                return lease
            if self._now() >= until:
                return None

    def _everywhere(self) -> list[tuple[int, int]]:
        """The time is over: look at those, too, that it was not to be woken by."""
        return [(fd, 0) for fd in self._sockets]

    def _confirm(self, further: Outgoing) -> None:
        with self._connections as fanout:
            fanout.run(self._attempt, self._now() + self._voting.timeout, further)
            self._turn.lie_down()

    def _lease(self) -> Lease | None:
        return self._voting.lease(
            self._attempt, self._request, self._ttl, self._started, self._sent
        )

    def _now(self) -> float:
        return self._voting.clock.monotonic()
