"""The client's side of the protocol as state machines without input or output.

A round starts with requests, takes replies in any order, and says what to send next and when it is
over. The driver in ``redlock`` feeds it from sockets; a model check can feed it from a simulation.
"""

from collections.abc import Iterable
from typing import Protocol

from tasks.locks.decision import Decision, NeedConfirm, Waiting, decide, majority
from tasks.locks.messages import (
    Acquire,
    Confirm,
    Extend,
    Failed,
    Held,
    Release,
    Released,
    Reply,
    Request,
)

Outgoing = list[tuple[int, Request]]


class Round(Protocol):
    def opening(self) -> Outgoing:
        """The first requests, one per node."""

    def take(self, node: int, reply: Reply) -> Outgoing:
        """Note a reply; the requests that follow from it."""

    @property
    def over(self) -> bool: ...

    def give_up(self) -> None:
        """The time limit passed: whoever has not answered has failed."""


class AcquireRound:
    """ACQUIRE on all nodes and, where their numbers differ, CONFIRM. The result is ``decision``."""

    def __init__(self, request: Acquire, size: int) -> None:
        self._request = request
        self.answers: list[Reply | None] = [None] * size
        self._confirms: dict[int, Reply | None] = {}
        self._token: int | None = None
        self.decision: Decision = Waiting()

    def opening(self) -> Outgoing:
        return [(node, self._request) for node in range(len(self.answers))]

    def take(self, node: int, reply: Reply) -> Outgoing:
        if self.answers[node] is None:
            self.answers[node] = reply
        else:
            self._confirms[node] = reply
        return self._judge()

    @property
    def over(self) -> bool:
        return not isinstance(self.decision, Waiting | NeedConfirm)

    def give_up(self) -> None:
        late = Failed("no answer in time")
        self.answers = [late if answer is None else answer for answer in self.answers]
        self._confirms = {n: late if r is None else r for n, r in self._confirms.items()}
        self._judge()

    def _judge(self) -> Outgoing:
        self.decision = decide(self.answers, self._confirms, self._token)
        if not isinstance(self.decision, NeedConfirm):
            return []
        self._token = self.decision.token
        self._confirms.update(dict.fromkeys(self.decision.nodes))
        request = Confirm(self._request.key, self._request.nonce, self._token)
        return [(node, request) for node in self.decision.nodes]


class VoteRound:
    """EXTEND or RELEASE on some nodes: ``passed`` when a majority of all gave the wanted answer.

    REPLANTED is not HELD: the slot was empty, so somebody else may have come and gone.
    """

    def __init__(self, request: Extend | Release, size: int, nodes: Iterable[int]) -> None:
        self._request = request
        self._wanted = Held if isinstance(request, Extend) else Released
        self._quorum = majority(size)
        self._open = set(nodes)
        self._votes = 0

    def opening(self) -> Outgoing:
        return [(node, self._request) for node in sorted(self._open)]

    def take(self, node: int, reply: Reply) -> Outgoing:
        self._open.discard(node)
        self._votes += isinstance(reply, self._wanted)
        return []

    @property
    def passed(self) -> bool:
        return self._votes >= self._quorum

    @property
    def over(self) -> bool:
        return self.passed or self._votes + len(self._open) < self._quorum

    def give_up(self) -> None:
        self._open.clear()
