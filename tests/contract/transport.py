"""The client's side of simulated connections, in the place of ``Fanout``."""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.locks.behind import RoundsBehind
from tasks.locks.fanout import Fanout
from tasks.locks.messages import Acquire, Call, Failed, Release, Reply, Request
from tasks.locks.node import Node

if TYPE_CHECKING:
    from tests.contract.client import SimulatedClient
    from tests.contract.world import World


class Wire:
    """One connection: first in, first out, in both directions."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.requests: deque[tuple[int, Request]] = deque()
        self.replies: deque[tuple[int, Reply | Call]] = deque()


class SimulatedTransport(Fanout):
    """Requests and replies lie on the wires until the schedule carries them."""

    def __init__(self, world: "World", client: "SimulatedClient", names: list[Node]) -> None:
        # Not the parent's: there are no sockets here.
        self.world = world
        self.client = client
        self.nodes = names
        self.wires: list[Wire | None] = [None] * len(names)
        self.waits = False
        self.sleeps_until: float | None = None
        self._clock = client
        self._round_id = 0
        self._calls: list[Call] = []
        self.behind = RoundsBehind()
        self._ready: list[tuple[int, Reply]] = []

    def begin(self) -> None:
        self._round_id += 1
        self._ready.clear()
        self.behind.give_up(self.client.read_monotonic())
        for index, wire in enumerate(self.wires):
            if wire is None and not self.world.refusing[index]:
                self.wires[index] = Wire(self.world.nodes[index].run_id)

    def send(self, node_indices: Iterable[int], request: Request) -> int:
        sent = 0
        for index in node_indices:
            if self.wires[index] is None:
                self._ready.append((index, Failed("no connection")))
            else:
                self._put(index, request)
                sent |= 1 << index
        return sent

    def _put(self, index: int, request: Request) -> None:
        wire = self.wires[index]
        assert wire is not None
        wire.requests.append((self._round_id, request))

    def receive(self, timeout: float) -> list[tuple[int, Reply]]:
        if timeout > 0 and not self._ready:
            self.waits = True
            self.client.pause()
            self.waits = False
        replies, self._ready = self._ready, []
        return replies

    @property
    def pushed(self) -> list[tuple[int, Call]]:  # type: ignore[override]  # read already
        return [(call.node, call) for call in self._calls]

    def read(self, said: object) -> None: ...

    def calls(self) -> list[Call]:
        calls, self._calls = self._calls, []
        return calls

    def sockets(self) -> list[int]:
        return []

    @property
    def may_go_on(self) -> bool:
        """A turn would do something: it does not wait for anything, or there is some."""
        if self.sleeps_until is not None:
            return bool(self._calls) or self.client.read_monotonic() >= self.sleeps_until
        return not self.waits or bool(self._ready)

    def said(self, index: int, call: Call) -> bool:
        """The node calls on its connection to this client, if there is one."""
        wire = self.wires[index]
        if wire is None or wire.run_id != self.world.nodes[index].run_id:
            return False
        wire.replies.append((-1, replace(call, node=index)))
        return True

    def carry(self, index: int) -> None:
        """The oldest request on the wire runs, or the oldest reply arrives."""
        wire, world = self.wires[index], self.world
        if wire is None:
            return
        if wire.requests and (not wire.replies or world.random.random() < 0.5):
            round_id, request = wire.requests.popleft()
            wire.replies.append((round_id, world.execute(index, request, wire.run_id)))
            if world.family.duplicates and world.random.random() < world.family.duplicates:
                world.strays.append((index, wire.run_id, request))
        elif wire.replies:
            self._deliver(index, *wire.replies.popleft())

    def _deliver(self, index: int, round_id: int, reply: Reply | Call) -> None:
        if isinstance(reply, Call):
            self._calls.append(reply)
        elif round_id != self._round_id:
            self.behind.late.append((round_id, index, reply))
            self.behind.read_late()
        else:
            self._ready.append((index, reply))

    def break_wire(self, index: int) -> None:
        """The connection ends. What was under way may still be carried out later, or never."""
        wire, self.wires[index] = self.wires[index], None
        if wire is None:
            return
        lost = [round_id for round_id, _ in [*wire.replies, *wire.requests]]
        for round_id in lost:
            self._deliver(index, round_id, Failed("the connection broke"))
        for _, request in wire.requests:
            if self.world.random.random() < 0.5:
                self.world.strays.append((index, wire.run_id, request))

    def close(self) -> None:
        self.wires = [None] * len(self.wires)

    def abandon(self) -> None:
        self.close()


class CrossedTransport(SimulatedTransport):
    """A mutant: RELEASE travels on a connection of its own and may overtake its ACQUIRE."""

    def _put(self, index: int, request: Request) -> None:
        if type(request) is Release:
            wire = self.wires[index]
            assert wire is not None
            behind = [item for item in wire.requests if type(item[1]) is Acquire]
            if behind and self.world.random.random() < 0.5:
                wire.requests.appendleft((self._round_id, request))
                return
        super()._put(index, request)
