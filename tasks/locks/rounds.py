"""The client's side of the protocol as state machines without input or output.

A round starts with requests, takes replies in any order, and says what to send next and when it is
over. The driver in ``redlock`` feeds it from sockets; a model check can feed it from a simulation.
"""

from collections.abc import Sequence
from typing import Protocol

from tasks.locks.decision import WAITING, Decision, NeedConfirm, Waiting, decide, majority
from tasks.locks.messages import (
    Acquire,
    Confirm,
    Extend,
    Failed,
    Granted,
    Held,
    Release,
    Released,
    Reply,
    Request,
)

Outgoing = tuple[Sequence[int], Request]
"""Nodes, and what all of them are sent."""


class Round(Protocol):
    def opening(self) -> Outgoing:
        """The first request."""

    def take(self, node: int, reply: Reply) -> Outgoing | None:
        """Note a reply; the request that follows from it."""

    over: bool

    def give_up(self) -> None:
        """The time limit passed: whoever has not answered has failed."""


class AcquireRound:
    """ACQUIRE on all nodes and, where their numbers differ, CONFIRM. The result is ``decision``."""

    operation = "acquire"

    def __init__(self, request: Acquire, size: int) -> None:
        self._request = request
        self._quorum = majority(size)
        # Nothing can be said before so many have answered, one way or the other.
        self._silent = min(self._quorum, size - self._quorum + 1)
        self.votes = 0
        self.answers: list[Reply | None] = [None] * size
        self._confirms: dict[int, Reply | None] = {}
        self._token: int | None = None
        self.decision: Decision = WAITING
        self.over = False

    @property
    def confirmed(self) -> bool:
        """A second round trip was needed."""
        return self._token is not None

    def opening(self) -> Outgoing:
        return range(len(self.answers)), self._request

    def take(self, node: int, reply: Reply) -> Outgoing | None:
        if self.answers[node] is not None:
            self._confirms[node] = reply
            return self._judge()
        self.answers[node] = reply
        self._silent -= 1
        if type(reply) is Granted:
            self.votes += 1
            if self.votes < self._quorum and self._token is None:
                return None  # the common case: nothing can follow from it yet
        elif self._silent > 0:
            return None
        return self._judge()

    def called(self, node: int, counter: int) -> Outgoing | None:
        """A node that had denied, or was silent, has handed the key over to us since."""
        if type(self.answers[node]) is Granted:
            return None
        self.answers[node] = Granted(counter)
        self.votes += 1
        return self._judge() if self.votes >= self._quorum else None

    def give_up(self) -> None:
        late = Failed("no answer in time")
        self.answers = [late if answer is None else answer for answer in self.answers]
        self._confirms = {n: late if r is None else r for n, r in self._confirms.items()}
        self._judge()

    def _judge(self) -> Outgoing | None:
        self.decision = decide(self.answers, self._confirms, self._token)
        if isinstance(self.decision, NeedConfirm):
            self._token = self.decision.token
            self._confirms.update(dict.fromkeys(self.decision.nodes))
            request = Confirm(self._request.key, self._request.nonce, self._token)
            return self.decision.nodes, request
        self.over = not isinstance(self.decision, Waiting)
        return None


class VoteRound:
    """EXTEND or RELEASE on some nodes: ``passed`` when a majority of all gave the wanted answer.

    REPLANTED is not HELD: the slot was empty, so somebody else may have come and gone.
    """

    confirmed = False

    def __init__(self, request: Extend | Release, size: int, nodes: Sequence[int]) -> None:
        self.operation = "extend" if isinstance(request, Extend) else "release"
        self._request = request
        self._wanted = Held if isinstance(request, Extend) else Released
        self._quorum = majority(size)
        self._nodes = nodes
        self._open = len(nodes)
        self.votes = 0
        self.over = self._open < self._quorum

    def opening(self) -> Outgoing:
        return self._nodes, self._request

    def take(self, node: int, reply: Reply) -> Outgoing | None:
        self._open -= 1
        if type(reply) is self._wanted:
            self.votes += 1
        self.over = self.votes >= self._quorum or self.votes + self._open < self._quorum
        return None

    @property
    def passed(self) -> bool:
        return self.votes >= self._quorum

    def give_up(self) -> None:
        self._open = 0
        self.over = True
