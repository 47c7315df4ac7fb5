"""Real lock clients on simulated nodes: one random schedule of messages, faults and time.

The same seed gives the same schedule, apart from nonces.
"""

import random
from dataclasses import dataclass
from functools import cache, partial

from greenlet import getcurrent

from tasks.clock import SYSTEM_CLOCK
from tasks.locks.lease import Lease
from tasks.locks.messages import Acquire, Call, Reply, Request
from tasks.locks.node import Node
from tasks.locks.observer import SilentObserver
from tests.contract.client import KEY, TIMEOUT, TTL, SimulatedClient
from tests.contract.families import FAMILIES, WITHIN_ALLOWANCE, Family
from tests.contract.simulated_node import Memory, SimulatedNode
from tests.contract.tenure import Broken, Row, Tenure, check_one_holder, check_order

_STEPS = 260
_FAULTS = (
    "breaks", "restarts", "outages", "client_steps", "node_steps", "early_expiry", "ages", "pauses",
)  # fmt: skip


@cache
def _names(size: int) -> list[Node]:
    silent = SilentObserver()
    return [Node(n, f"redis://node-{n}", TIMEOUT, SYSTEM_CLOCK, silent) for n in range(size)]


@dataclass
class Counts:
    """What a schedule came to, to show that schedules do not pass because nothing happens."""

    leases: int = 0
    second_rounds: int = 0
    extensions: int = 0
    handovers: int = 0
    faults: int = 0


class World:
    client_class = SimulatedClient

    def __init__(self, seed: int, family: Family | None = None) -> None:
        self.random = dice = random.Random(seed)
        self.family = family or FAMILIES[seed % len(FAMILIES)]
        self.now = 1_700_000_000.0
        self.counts = Counts()
        self.tenures: list[Tenure] = []
        self.row = Row()
        self.strays: list[tuple[int, str, Request]] = []
        self.lost_memory = False
        self._moment = 0
        size = dice.choice(self.family.sizes)
        self.names = _names(size)
        self.urls = [f"redis://node-{node}" for node in range(size)]
        self.refusing = [False] * size
        self._hung = [False] * size
        self._snapshots: list[list[Memory]] = [[] for _ in range(size)]
        self._offsets = [0.0] * size
        # Everything of one schedule that differs from node to node and client to client.
        self.clients = [self.client_class(self, n) for n in range(dice.choice([2, 2, 3, 4]))]
        self._speed = {
            (client, node): dice.choice([1.0, 1.0, 0.1]) if self.family.lag else 1.0
            for client in self.clients
            for node in range(size)
        }
        self.nodes = [SimulatedNode(self.clients[0].terms, self.now) for _ in range(size)]
        for index, node in enumerate(self.nodes):
            node.call = partial(self._call, index)
        # As one whose clock is ahead may have left them; they must not outlive such a lead.
        newest = int((self.now + WITHIN_ALLOWANCE) * 1_000_000)
        for node in self.nodes:
            node.mark_new()
            if self.family.uneven:
                node.set_counter(KEY, newest - dice.randint(0, 3))
        self._faults = [
            (kind, getattr(self.family, kind)) for kind in _FAULTS if getattr(self.family, kind)
        ]
        self._executed: dict[tuple[str, int], int] = {}

    # -- the schedule -------------------------------------------------------------------

    def run(self) -> None:
        """Play the schedule to its end. Raises Broken."""
        self.hub = getcurrent()
        finished = False
        try:
            for _ in range(_STEPS):
                alive = [client for client in self.clients if not client.done]
                if not alive:
                    finished = True
                    break
                self._step(alive)
        finally:
            for client in self.clients:
                client.stop()
        if finished and self.family.nothing_is_replayed:
            self._check_nothing_left()
        self._check_slots_end()

    def _step(self, alive: list[SimulatedClient]) -> None:
        dice = self.random
        for kind, chance in self._faults:
            if dice.random() < chance:
                self.counts.faults += 1
                getattr(self, f"_fault_{kind}")()
        ready = [client for client in alive if client.transport.may_go_on]
        roll = dice.random()
        if roll < 0.45 and ready:
            dice.choice(ready).turn()
        elif roll < 0.92:
            self._carry(ready)
        else:
            self.advance(dice.choice(self.family.paces))

    def _carry(self, ready: list[SimulatedClient]) -> None:
        busy = [
            (client, index)
            for client in self.clients
            for index, wire in enumerate(client.transport.wires)
            if wire is not None and (wire.requests or wire.replies) and not self._hung[index]
        ]
        if self.strays and self.random.random() < self.family.replays:
            self._run_stray()
        elif busy:
            client, index = self.random.choice(busy)
            if self.random.random() < self._speed[client, index]:
                client.transport.carry(index)
        elif ready:
            self.random.choice(ready).turn()
        else:
            # Everybody waits for answers that will not come: until somebody's time is up.
            self.advance(TIMEOUT / 2)
            for client in self.clients:
                if not client.done:
                    client.turn()

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for node, offset in zip(self.nodes, self._offsets, strict=True):
            node.now = self.now + offset

    def execute(self, index: int, request: Request, run_id: str) -> Reply:
        reply = self.nodes[index].apply(request, run_id)
        if type(request) is Acquire:
            self._executed[request.nonce, index] = self.tick()
        return reply

    def _call(self, index: int, bell: str, call: Call) -> bool:
        """A node has handed the key over; whoever waited is told, unless nobody listens."""
        self.counts.handovers += 1
        self._executed.setdefault((call.nonce, index), self.tick())
        return self.clients[int(bell)].transport.said(index, call)

    def _run_stray(self) -> None:
        """A request from a broken connection, which lay in the server's buffer, runs after all; or
        one that the network has doubled."""
        index, run_id, request = self.strays.pop(self.random.randrange(len(self.strays)))
        if self.nodes[index].run_id == run_id:
            self.execute(index, request, run_id)

    def tick(self) -> int:
        """The number of this moment."""
        self._moment += 1
        return self._moment

    # -- faults -------------------------------------------------------------------------

    def _fault_breaks(self) -> None:
        self.random.choice(self.clients).transport.break_wire(self._any_node())

    def _fault_restarts(self) -> None:
        dice = self.random
        kind = dice.choice(["empty", "snapshot", "flush", "take a snapshot"])
        count = dice.choice([1, 1, 1, 2, len(self.nodes)])
        for index in dice.sample(range(len(self.nodes)), min(count, len(self.nodes))):
            node = self.nodes[index]
            if kind == "take a snapshot":
                self._snapshots[index].append(node.snapshot())
                continue
            self.lost_memory = True
            if kind == "flush":
                node.flush()
                continue
            old = self._snapshots[index] if kind == "snapshot" else []
            node.restart(dice.choice(old) if old else None)
            self._snapshots[index] = []
            for client in self.clients:
                client.transport.break_wire(index)

    def _fault_outages(self) -> None:
        index = self._any_node()
        if self._hung[index] or self.refusing[index]:
            self._hung[index] = self.refusing[index] = False
        elif self.random.random() < 0.5:
            self._hung[index] = True
        else:
            self.refusing[index] = True
            for client in self.clients:
                client.transport.break_wire(index)

    def _fault_client_steps(self) -> None:
        # Not past the lead that nodes accept: then nobody would get anything.
        step = self.random.choice([2.0, 50.0])
        self.random.choice(self.clients).skew = self.random.uniform(-step, step)
        self._check_holders()

    def _fault_node_steps(self) -> None:
        self._offsets[self._any_node()] += self.random.choice([0.1, 0.5, 1.0])
        self.advance(0.0)

    def _fault_early_expiry(self) -> None:
        dice = self.random
        count = len(self.nodes)
        if not self.family.expiry_at_once:
            count = dice.randint(1, count)
        for node in dice.sample(self.nodes, count):
            node.memory.slots.clear()

    def _fault_ages(self) -> None:
        self.lost_memory = True
        self.advance(self.family.retention * 1.1)

    def _fault_pauses(self) -> None:
        self.advance(TTL * 1.05)

    def _any_node(self) -> int:
        return self.random.randrange(len(self.nodes))

    # -- what the clients tell ----------------------------------------------------------

    def round_done(self, *_: object, second_round: bool, margin: int) -> None:
        self.counts.second_rounds += second_round

    def node_answered(self, node: str, seconds: float) -> None: ...

    def node_failed(self, node: str, reason: str) -> None: ...

    def granted(self, tenure: Tenure) -> None:
        self.counts.leases += 1
        self.tenures.append(tenure)
        check_order(self.tenures)
        self._check_holders()

    def extended(self, tenure: Tenure, lease: Lease, began: int) -> None:
        self.counts.extensions += 1
        tenure.lease = lease
        self._check_holders()
        if self.lost_memory or self.strays or not self._sound_evidence():
            return
        for other in self.tenures:
            if tenure.got < other.began and other.got < began and self._asked_all(tenure, other):
                raise Broken("an extension was granted after somebody else had been the holder")

    def _sound_evidence(self) -> bool:
        return not (self.family.duplicates or self.family.breaks or self.family.restarts)

    def _asked_all(self, tenure: Tenure, before: Tenure) -> bool:
        """All requests of this lease's attempt had run before the other attempt began. Otherwise
        a straggler may have given it a node back after the other was gone."""
        nonce = tenure.lease.nonce
        return all(
            self._executed.get((nonce, index), before.began) < before.began
            for index in range(len(self.nodes))
        )

    def _check_holders(self) -> None:
        if self.family.slots_keep_time:
            check_one_holder(self.tenures)

    # -- the end ------------------------------------------------------------------------

    def _check_nothing_left(self) -> None:
        for client in self.clients:
            for index, wire in enumerate(client.transport.wires):
                for _, request in wire.requests if wire else ():
                    self.nodes[index].apply(request, self.nodes[index].run_id)
        for node in self.nodes:
            owner = node.owner(KEY)
            if owner is not None:
                raise Broken("a slot was left behind")

    def _check_slots_end(self) -> None:
        self.advance(TTL)
        if any(node.owner(KEY) for node in self.nodes):
            raise Broken("a slot outlived its time")
