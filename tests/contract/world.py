"""Real lock clients on simulated nodes: one random schedule of messages, losses and time.

Each client runs the real ``Redlock`` on a thread of its own, but only one thread runs at a time:
it stops wherever it reads a clock or waits for replies, and the schedule decides what happens next.
The same seed gives the same schedule.
"""

import random
import threading
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

from tasks.errors import LeaseBusy, LeaseLost, QuorumUnavailable
from tasks.locks.fanout import Fanout
from tasks.locks.limits import CLOCK_ALLOWANCE_SECONDS
from tasks.locks.messages import Failed, Reply, Request
from tasks.locks.node import Node
from tasks.locks.redlock import Redlock
from tests.contract.simulated_node import SimulatedNode

TTL = 1.0
KEY = "order:1"
_TIMEOUT = 0.3
_STEPS = 1500
# Seconds that pass at a time: mostly moments, sometimes a pause longer than a lease.
_PACES = [0.001] * 40 + [0.01] * 10 + [0.05] * 4 + [0.2] * 2 + [1.1]
_SAFETY_SECONDS = 20.0
_LARGEST_SKEW = CLOCK_ALLOWANCE_SECONDS * 0.99


class _Over(BaseException):
    """The schedule ended while this client was in the middle of something."""


@dataclass
class Wire:
    """One connection: first in, first out, in both directions."""

    run_id: str
    requests: deque[tuple[int, Request]] = field(default_factory=deque)
    replies: deque[tuple[int, Reply]] = field(default_factory=deque)


@dataclass
class Tenure:
    """One successful lease, in the true time of the world."""

    token: int
    began_at: float
    got_at: float
    ended_at: float


class World:
    def __init__(self, seed: int, make_client: "type[SimulatedClient] | None" = None) -> None:
        self.random = random.Random(seed)
        self.now = 1_700_000_000.0
        self.tenures: list[Tenure] = []
        self.fence = 0
        self.losses = 0
        self.strays: list[tuple[int, str, Request]] = []
        kind = make_client or SimulatedClient
        size = self.random.choice([1, 2, 3, 3, 3, 4, 5])
        self.loss_budget = self.random.choice([0, 0, 1, 2, size])
        self.breaks = self.random.choice([0.0, 0.0, 0.02])
        self.slow = {
            (client, node): self.random.choice([1.0, 1.0, 0.2, 0.02])
            for client in range(4)
            for node in range(size)
        }
        self.clients = [kind(self, index, size) for index in range(self.random.randint(2, 4))]
        self.nodes = [SimulatedNode(self.clients[0].terms, self.now) for _ in range(size)]
        newest = int((self.now + self.random.choice([0, 1, 1]) * _LARGEST_SKEW) * 1_000_000)
        for node in self.nodes:
            node.mark_new()
            # Memories that differ a little, as after nodes were away: second round trips are
            # common then, and so are wrong tokens if they are done wrongly.
            node.counters[KEY] = newest - self.random.randint(0, 3)

    def run(self) -> None:
        """Play the schedule to its end. Raises AssertionError when a promise is broken."""
        for client in self.clients:
            client.start()
        try:
            for _ in range(_STEPS):
                self._step()
                if all(client.done for client in self.clients):
                    break
            all_done = all(client.done for client in self.clients)
        finally:
            for client in self.clients:
                client.stop()
        self._check()
        if all_done and not self.losses and not self.breaks:
            self._check_nothing_left()

    def _step(self) -> None:
        dice = self.random.random()
        if dice < 0.40:
            self.random.choice([c for c in self.clients if not c.done]).turn()
        elif dice < 0.90:
            self._carry()
        elif dice < 0.995 or self.losses >= self.loss_budget:
            self.advance(self.random.choice(_PACES))
        else:
            self._lose_memory()

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for node in self.nodes:
            node.now = self.now

    def _carry(self) -> None:
        """One message moves on one wire, or the wire breaks."""
        busy = [
            (client, index)
            for client in self.clients
            for index, wire in enumerate(client.transport.wires)
            if wire is not None and (wire.requests or wire.replies)
        ]
        if not busy:
            return
        client, index = self.random.choice(busy)
        if self.random.random() > self.slow[client.index, index]:
            return
        if self.strays and self.random.random() < 0.1:
            self._run_stray()
        if self.random.random() < self.breaks:
            client.transport.break_wire(index)
        else:
            client.transport.carry(index)

    def _run_stray(self) -> None:
        """A request from a broken connection, which lay in the server's buffer, runs after all."""
        index, run_id, request = self.strays.pop(self.random.randrange(len(self.strays)))
        if self.nodes[index].run_id == run_id:
            self.nodes[index].apply(request, run_id)

    def _lose_memory(self) -> None:
        self.losses += 1
        index = self.random.randrange(len(self.nodes))
        self.nodes[index].restart_empty()
        for client in self.clients:
            client.transport.break_wire(index)

    def claim(self, token: int) -> bool:
        """The fenced row: UPDATE … SET fence = token WHERE fence < token."""
        if token <= self.fence:
            return False
        self.fence = token
        return True

    def _check(self) -> None:
        tokens = [tenure.token for tenure in self.tenures]
        assert len(set(tokens)) == len(tokens), "a token was given twice"
        for a in self.tenures:
            for b in self.tenures:
                if a.got_at < b.began_at:
                    assert a.token < b.token, "a later lease got no larger token"
        in_time = sorted(self.tenures, key=lambda tenure: tenure.got_at)
        for before, after in pairwise(in_time):
            assert before.ended_at <= after.got_at, "two holders at once"

    def _check_nothing_left(self) -> None:
        for client in self.clients:
            for node, wire in zip(self.nodes, client.transport.wires, strict=True):
                for _, request in wire.requests if wire else ():
                    node.apply(request, node.run_id)
        assert not any(node.owner(KEY) for node in self.nodes), "a slot was left behind"


class SimulatedTransport(Fanout):
    """The client's side of the wires, in the place of real connections."""

    def __init__(self, world: World, client: "SimulatedClient", size: int) -> None:
        # Not the parent's: there are no sockets here.
        self.world = world
        self.client = client
        self.wires: list[Wire | None] = [None] * size
        self.nodes = [Node(index, f"redis://node-{index}", _TIMEOUT) for index in range(size)]
        self._round_id = 0
        self._ready: list[tuple[int, Reply]] = []

    def connect(self, index: int) -> None:
        self.wires[index] = Wire(self.world.nodes[index].run_id)

    def begin(self) -> None:
        self._round_id += 1
        self._ready.clear()
        for index, wire in enumerate(self.wires):
            if wire is None:
                self.connect(index)

    def send(self, node_index: int, request: Request) -> bool:
        wire = self.wires[node_index]
        if wire is None:
            self._ready.append((node_index, Failed("no connection")))
            return False
        wire.requests.append((self._round_id, request))
        return True

    def receive(self, timeout: float) -> list[tuple[int, Reply]]:
        if timeout > 0 and not self._ready:
            self.client.pause()
        replies, self._ready = self._ready, []
        return replies

    def carry(self, index: int) -> None:
        """The oldest message on the wire arrives."""
        wire = self.wires[index]
        if wire is None:
            return
        if wire.requests and (not wire.replies or self.world.random.random() < 0.5):
            round_id, request = wire.requests.popleft()
            wire.replies.append((round_id, self.world.nodes[index].apply(request, wire.run_id)))
        elif wire.replies:
            self.deliver(index, *wire.replies.popleft())

    def deliver(self, index: int, round_id: int, reply: Reply) -> None:
        if round_id == self._round_id:
            self._ready.append((index, reply))

    def break_wire(self, index: int) -> None:
        """The connection ends. What was under way may still be carried out later, or never."""
        wire, self.wires[index] = self.wires[index], None
        if wire is None:
            return
        for round_id, _ in [*wire.replies, *wire.requests]:
            self.deliver(index, round_id, Failed("the connection broke"))
        for _, request in wire.requests:
            if self.world.random.random() < 0.5:
                self.world.strays.append((index, wire.run_id, request))

    def close(self) -> None:
        self.wires = [None] * len(self.wires)

    def abandon(self) -> None:
        self.close()


class SimulatedClient(Redlock):
    """A process with the real client. Its clocks are off; it may be paused at any step."""

    def __init__(self, world: World, index: int, size: int) -> None:
        self.world = world
        self.index = index
        self.done = False
        self._size = size
        # Any two clients agree to within the allowance.
        self._skew = world.random.choice([0.0, 0.0, world.random.uniform(0, _LARGEST_SKEW)])
        self._uptime = world.random.uniform(0, 1e6)
        self._own_turn = threading.Semaphore(0)
        self._others_turn = threading.Semaphore(0)
        self._over = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._live, daemon=True)
        urls = [f"redis://node-{node}" for node in range(size)]
        super().__init__(urls, prefix="sim", max_ttl=TTL, node_timeout=_TIMEOUT, clock=self)
        self.terms = self._terms

    def _new_fanout(self) -> SimulatedTransport:
        self.transport = SimulatedTransport(self.world, self, self._size)
        return self.transport

    # -- the clock of this process: reading it is a place where it may be paused -----

    def monotonic(self) -> float:
        if self.world.random.random() < 0.3:
            self.pause()
        return self.world.now - self._uptime

    def wall(self) -> float:
        return self.world.now + self._skew

    # -- taking turns ---------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    def turn(self) -> None:
        """Let this client run up to its next pause."""
        if self.done:
            return
        self._own_turn.release()
        assert self._others_turn.acquire(timeout=_SAFETY_SECONDS)
        if self._failure is not None:
            raise self._failure

    def pause(self) -> None:
        self._others_turn.release()
        assert self._own_turn.acquire(timeout=_SAFETY_SECONDS)
        if self._over:
            raise _Over

    def stop(self) -> None:
        self._over = True
        self._own_turn.release()
        self._thread.join(timeout=_SAFETY_SECONDS)

    # -- what it does ---------------------------------------------------------

    def _live(self) -> None:
        try:
            self._own_turn.acquire(timeout=_SAFETY_SECONDS)
            if not self._over:
                self._work()
        except _Over:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again where the schedule is played
            self._failure = error
        self.done = True
        self._others_turn.release()

    def _work(self) -> None:
        for _ in range(self.world.random.randint(2, 6)):
            for _ in range(self.world.random.choice([0, 0, 20])):
                self.pause()
            if self.world.random.random() < 0.7:
                self._largest_seen = 0  # as a new process, which has seen nothing yet
            began_at = self.world.now
            try:
                lease = self.acquire(KEY, ttl=TTL)
            except (LeaseBusy, QuorumUnavailable):
                self.pause()
                continue
            # From here to its end no other lease of this key may be valid.
            tenure = Tenure(lease.token, began_at, self.world.now, self._true(lease.valid_until))
            self.world.tenures.append(tenure)
            self.world.claim(lease.token)
            for _ in range(self.world.random.randint(0, 4)):
                self.pause()
                try:
                    lease = self.extend(lease)
                except LeaseLost:
                    tenure.ended_at = min(tenure.ended_at, self.world.now)
                    break
                tenure.ended_at = self._true(lease.valid_until)
            tenure.ended_at = min(tenure.ended_at, self.world.now)
            self.release(lease)

    def _true(self, monotonic: float) -> float:
        return monotonic + self._uptime
