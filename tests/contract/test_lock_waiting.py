"""Those who wait are handed the key in turn, and leave nothing behind."""

import signal
import threading
import time

import pytest

from tasks.clock import SYSTEM_CLOCK
from tasks.errors import LeaseBusy
from tasks.locks.messages import Acquire, Place
from tasks.locks.redlock import Redlock
from tasks.locks.rounds import AcquireRound
from tasks.locks.waiting import acquire_within
from tasks.locks.wire import entry_of
from tests.contract.conftest import MakeClient
from tests.contract.holders import holder
from tests.contract.redis_nodes import PREFIX, Nodes
from tests.contract.waiting import wait_until

KEY = "order:1"
# Longer than a busy machine takes to bring everybody into line.
LONG = 30.0


def _waiting_lists(nodes: Nodes) -> list[bytes]:
    return [key for node in nodes for key in node.keys(f"{PREFIX}:waiting:*")]


def _in_line(backend: Redlock) -> int:
    return max((seen.waiting for seen in backend.leases()), default=0)


class Patient(threading.Thread):
    """Waits for the key, keeps it for a moment, gives it back."""

    def __init__(self, backend: Redlock, wait: float = 60.0, ttl: float = LONG) -> None:
        super().__init__()
        self.backend, self.patience, self.ttl = backend, wait, ttl
        self.got_at = self.token = 0.0
        self.start()

    def run(self) -> None:
        lease = acquire_within(
            self.backend, KEY, ttl=self.ttl, wait=self.patience, clock=SYSTEM_CLOCK
        )
        self.got_at, self.token = time.monotonic(), lease.token
        assert self.backend.release(lease)


def _connected(backend: Redlock) -> Redlock:
    """To all nodes, not only to the first majority."""

    def done() -> bool:
        backend.release(backend.acquire("warm", ttl=1.0))
        with backend._connections as fanout:
            return all(node.connected for node in fanout.nodes)

    wait_until(done)
    return backend


def test_a_release_hands_the_key_over_in_the_order_of_coming(
    nodes: Nodes, client: MakeClient
) -> None:
    holder_ = _connected(client(nodes, max_ttl=LONG))
    lease = holder_.acquire(KEY, ttl=LONG)
    line = []
    for number in range(1, 5):
        line.append(Patient(_connected(client(nodes, max_ttl=LONG))))
        wait_until(lambda wanted=number: _in_line(holder_) == wanted)  # type: ignore[misc]
    released_at = time.monotonic()
    holder_.release(lease)
    for patient in line:
        patient.join(timeout=20)
    times = [patient.got_at for patient in line]
    assert times == sorted(times)
    assert times[-1] - released_at < LONG / 3
    tokens = [lease.token, *(patient.token for patient in line)]
    assert tokens == sorted(tokens)
    wait_until(lambda: nodes.slots() == [] and _waiting_lists(nodes) == [])


def test_many_threads_of_one_process_wait_for_one_key(nodes: Nodes, client: MakeClient) -> None:
    backend = _connected(client(nodes, max_ttl=LONG))
    lease = backend.acquire(KEY, ttl=LONG)
    line = [Patient(backend) for _ in range(8)]
    wait_until(lambda: _in_line(backend) == 8)
    backend.release(lease)
    for patient in line:
        patient.join(timeout=20)
    assert all(patient.got_at for patient in line)
    assert len({patient.token for patient in line}) == 8
    wait_until(lambda: nodes.slots() == [] and _waiting_lists(nodes) == [])


def test_a_lease_that_was_waited_for_counts_from_the_asking(
    nodes: Nodes, client: MakeClient
) -> None:
    holder_, patient = (
        _connected(client(nodes, max_ttl=LONG)),
        _connected(client(nodes, max_ttl=LONG)),
    )
    lease = holder_.acquire(KEY, ttl=LONG)
    timer = threading.Timer(0.3, holder_.release, [lease])
    timer.start()
    began_at = time.monotonic()
    waited = acquire_within(patient, KEY, ttl=LONG, wait=LONG, clock=SYSTEM_CLOCK)
    timer.join()
    assert waited.acquired_at - began_at > 0.1
    assert waited.valid_until < waited.acquired_at + LONG - 0.1
    assert patient.release(waited)


def test_whoever_gives_up_leaves_the_line(nodes: Nodes, client: MakeClient) -> None:
    holder_, impatient = client(nodes, max_ttl=LONG), client(nodes, max_ttl=LONG)
    holder_.acquire(KEY, ttl=LONG)
    with pytest.raises(LeaseBusy):
        acquire_within(impatient, KEY, ttl=1.0, wait=0.1, clock=SYSTEM_CLOCK)
    wait_until(lambda: _waiting_lists(nodes) == [])


@pytest.mark.parametrize("node", [0, 1, 2])
def test_a_node_that_dies_holds_up_nobody_who_waits(
    nodes: Nodes, client: MakeClient, node: int
) -> None:
    holder_ = _connected(client(nodes, max_ttl=LONG))
    lease = holder_.acquire(KEY, ttl=LONG)
    patient = Patient(_connected(client(nodes, max_ttl=LONG)))
    wait_until(lambda: _in_line(holder_) == 1)
    nodes[node].kill()
    holder_.release(lease)
    patient.join(timeout=LONG / 3)
    assert not patient.is_alive()


def test_whoever_died_in_line_is_passed_over(nodes: Nodes, client: MakeClient) -> None:
    holder_ = _connected(client(nodes, max_ttl=LONG))
    lease = holder_.acquire(KEY, ttl=LONG)
    with holder("wait", nodes, KEY, LONG) as victim:
        wait_until(lambda: _in_line(holder_) == 1)
        victim.process.kill()
        victim.process.wait(timeout=5)
        heir = Patient(_connected(client(nodes, max_ttl=LONG)))
        wait_until(lambda: _in_line(holder_) == 2)
        released_at = time.monotonic()
        holder_.release(lease)
        heir.join(timeout=20)
        assert heir.got_at - released_at < LONG / 3


def test_whoever_was_stopped_in_line_costs_no_more_than_its_lease(
    nodes: Nodes, client: MakeClient
) -> None:
    holder_ = _connected(client(nodes, max_ttl=LONG))
    lease = holder_.acquire(KEY, ttl=LONG)
    with holder("wait", nodes, KEY, 0.4) as stopped:
        wait_until(lambda: _in_line(holder_) == 1)
        stopped.process.send_signal(signal.SIGSTOP)
        heir = Patient(_connected(client(nodes, max_ttl=LONG)))
        wait_until(lambda: _in_line(holder_) == 2)
        released_at = time.monotonic()
        holder_.release(lease)
        heir.join(timeout=20)
        # The key is handed to it, and is free again when that lease has ended.
        assert 0.1 < heir.got_at - released_at < LONG / 3
        stopped.process.send_signal(signal.SIGCONT)


def test_a_slot_handed_to_nobody_is_given_back(nodes: Nodes, client: MakeClient) -> None:
    """A request that was on its way when its sender gave up, as after a broken connection."""
    holder_, gone = _connected(client(nodes, max_ttl=LONG)), _connected(client(nodes, max_ttl=LONG))
    lease = holder_.acquire(KEY, ttl=LONG)
    with gone._connections as fanout:
        request = Acquire(KEY, "f" * 32, 20_000, lease.token + 1)
        last_ms = round(time.time() * 1000) + 60_000
        bell = gone._connections.line.bell
        request.place = Place(1, entry_of(request, bell, last_ms))
        fanout.run(AcquireRound(request, len(nodes)), time.monotonic() + 1)
    wait_until(lambda: _in_line(holder_) == 1)
    holder_.release(lease)
    assert len(nodes.slots()) == len(nodes)
    wait_until(lambda: gone.release(gone.acquire("else", ttl=1.0)) and nodes.slots() == [])
