"""A process with the real lock client. Its clocks are off; it may be paused at any step."""

from typing import TYPE_CHECKING

from greenlet import GreenletExit, getcurrent, greenlet

from tasks.errors import LeaseBusy, LeaseLost, QuorumUnavailable
from tasks.locks.connections import Connections
from tasks.locks.lease import Lease
from tasks.locks.line import Line, Turn
from tasks.locks.messages import Call
from tasks.locks.redlock import Redlock
from tests.contract.tenure import Tenure
from tests.contract.transport import SimulatedTransport

if TYPE_CHECKING:
    from tests.contract.world import World

TTL = 1.0
TIMEOUT = 0.3
KEY = "order:1"


class SimulatedTurn(Turn):
    """Sleeps until the schedule says that something was said, or time has passed."""

    def __init__(self, client: "SimulatedClient") -> None:
        super().__init__((0, 0))
        self._client = client

    def sleep(self, sockets: object, seconds: float) -> list[tuple[int, int]]:
        transport = self._client.transport
        transport.sleeps_until = self._client.read_monotonic() + seconds
        self._client.pause()
        transport.sleeps_until = None
        return []

    def tell(self, call: Call) -> None:
        self.calls.append(call)


class SimulatedLine(Line):
    def __init__(self, client: "SimulatedClient") -> None:
        super().__init__()
        self.bell = str(client.index)
        self._client = client

    def join(self, nonce: str) -> Turn:
        turn = self._turns[nonce] = SimulatedTurn(self._client)
        return turn

    def leave(self, nonce: str) -> None:
        self._turns.pop(nonce, None)


class SimulatedClient(Redlock):
    """Runs on a greenlet: wherever it reads a clock or waits, the schedule may go on elsewhere."""

    transport_class = SimulatedTransport

    def __init__(self, world: "World", index: int) -> None:
        self.world = world
        self.index = index
        self.done = False
        dice, family = world.random, world.family
        # Any two clients agree to within the allowance, unless the family says otherwise.
        self.skew = dice.choice([0.0, 0.0, dice.uniform(0, family.skew)])
        self._rate = dice.choice([1.0, 1.0, 0.991, 1.009]) if family.drift else 1.0
        self._uptime = dice.uniform(0, 1e6)
        self._started_at = world.now
        self._restless = dice.choice([0.0, 0.1, 0.4])
        self._queues = family.everybody_waits or dice.random() < 0.4
        self._greenlet = greenlet(self._live)
        super().__init__(
            world.urls,
            prefix="sim",
            max_ttl=TTL,
            node_timeout=TIMEOUT,
            retention=family.retention,
            clock=self,
            observer=world,
        )
        self.terms = self._terms
        self._connections = Connections(self._new_fanout, lambda: SimulatedLine(self))
        self._voting.uniform = dice.uniform

    def _new_fanout(self, bell: str) -> SimulatedTransport:
        self.transport = self.transport_class(self.world, self, self.world.names)
        return self.transport

    # -- the clocks of this process: reading one is a place where it may be paused ----

    def monotonic(self) -> float:
        restless = self._restless and getcurrent() is self._greenlet
        if restless and self.world.random.random() < self._restless:
            self.pause()
        return self.read_monotonic()

    def read_monotonic(self) -> float:
        return self._uptime + (self.world.now - self._started_at) * self._rate

    def wall(self) -> float:
        return self.world.now + self.skew

    # -- taking turns -----------------------------------------------------------------

    def turn(self) -> None:
        """Let this client run up to its next pause."""
        self._greenlet.switch()

    def pause(self) -> None:
        self.world.hub.switch()

    def stop(self) -> None:
        if not self._greenlet.dead:
            self._greenlet.throw(GreenletExit)

    # -- what it does -----------------------------------------------------------------

    def _live(self) -> None:
        try:
            for _ in range(self.world.random.randint(1, 4)):
                self._section()
        finally:
            self.done = True

    def _section(self) -> None:
        dice = self.world.random
        for _ in range(dice.choice([0, 0, 1, 6])):
            self.pause()
        if dice.random() < 0.7:
            self._voting.largest_seen = 0  # as a new process, which has seen nothing yet
        began = self.world.tick()
        lease = self._try()
        if lease is None:
            self.pause()
            return
        tenure = Tenure(self, lease, began, self.world.tick())
        self.world.granted(tenure)
        for _ in range(dice.choice([0, 1, 1, 2, 3])):
            self.pause()
            if dice.random() < 0.5:
                self.world.row.work(tenure)
            began = self.world.tick()
            try:
                lease = self.extend(lease)
            except LeaseLost:
                tenure.over = True
                break
            self.world.extended(tenure, lease, began)
        else:
            self.pause()
        self.world.row.work(tenure)
        tenure.over = True
        if dice.random() < 0.5:
            self.release(lease)
        else:
            self.let_go(lease, lambda _: None)

    def _try(self) -> Lease | None:
        try:
            if not self._queues:
                return self.acquire(KEY, ttl=TTL)
            return self.acquire_within(KEY, ttl=TTL, wait=self.world.random.choice([0.05, 0.5, 2]))
        except (LeaseBusy, QuorumUnavailable):
            return None
