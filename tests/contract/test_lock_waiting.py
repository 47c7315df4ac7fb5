"""Those who wait are woken by a release, in turn, and leave nothing behind."""

import threading
import time

import pytest

from tasks.clock import SYSTEM_CLOCK
from tasks.errors import LeaseBusy
from tasks.locks.redlock import Redlock
from tasks.locks.waiting import acquire_within
from tests.contract.conftest import MakeClient
from tests.contract.redis_nodes import PREFIX, Nodes
from tests.contract.waiting import wait_until

KEY = "order:1"


def _waiting_lists(nodes: Nodes) -> list[bytes]:
    return [key for node in nodes for key in node.keys(f"{PREFIX}:waiting:*")]


def _acquire(backend: Redlock, wait: float) -> float:
    """Seconds that it took; released again."""
    began_at = time.monotonic()
    lease = acquire_within(backend, KEY, ttl=1.0, wait=wait, clock=SYSTEM_CLOCK)
    seconds = time.monotonic() - began_at
    backend.release(lease)
    return seconds


def _connect(backend: Redlock) -> None:
    """To all nodes: a first round goes to the first majority, and the call comes from one node."""

    def done() -> bool:
        _acquire(backend, wait=1.0)
        return all(node.connected for node in backend._fanout.nodes)

    wait_until(done)


def test_a_release_wakes_the_one_who_waits(nodes: Nodes, client: MakeClient) -> None:
    holder, patient = client(nodes), client(nodes)
    _connect(holder)
    _connect(patient)
    for _ in range(5):
        lease = holder.acquire(KEY, ttl=2.0)
        wait_until(lambda: len(nodes.slots()) == 3)  # the call comes from one of them
        waiter = patient.new_waiter(KEY)
        with pytest.raises(LeaseBusy):
            patient.acquire_waiting(waiter, ttl=1.0)
        patient.wait_for_release(waiter, 0.05)  # listens from now on, and its turn is next
        holder.release(lease)
        began_at = time.monotonic()
        assert patient.wait_for_release(waiter, 5.0) is True
        assert time.monotonic() - began_at < 1.0
        assert patient.release(patient.acquire_waiting(waiter, ttl=1.0))
        patient.stop_waiting(waiter, withdraw=False)


def test_the_queue_is_shown_and_ends(nodes: Nodes, client: MakeClient) -> None:
    holder, patient = client(nodes), client(nodes)
    lease = holder.acquire(KEY, ttl=2.0, holder="worker 1")
    thread = threading.Thread(target=_acquire, args=(patient, 5.0))
    thread.start()
    wait_until(lambda: [seen.waiting for seen in holder.leases()] == [1])
    holder.release(lease)
    thread.join(timeout=10)
    wait_until(lambda: _waiting_lists(nodes) == [])


def test_whoever_gives_up_leaves_the_queue(nodes: Nodes, client: MakeClient) -> None:
    holder, impatient = client(nodes), client(nodes)
    holder.acquire(KEY, ttl=2.0)
    with pytest.raises(LeaseBusy):
        acquire_within(impatient, KEY, ttl=1.0, wait=0.1, clock=SYSTEM_CLOCK)
    wait_until(lambda: _waiting_lists(nodes) == [])


def test_waiting_works_without_the_node_that_calls(nodes: Nodes, client: MakeClient) -> None:
    holder, patient = client(nodes), client(nodes)
    _connect(holder)
    _connect(patient)
    lease = holder.acquire(KEY, ttl=2.0)
    thread = threading.Thread(target=_acquire, args=(patient, 5.0))
    thread.start()
    time.sleep(0.05)
    nodes[2].kill()
    holder.release(lease)
    thread.join(timeout=2)
    assert not thread.is_alive()


def test_a_waiter_of_the_dead_holds_nobody_up_for_long(nodes: Nodes, client: MakeClient) -> None:
    holder, dead, heir = client(nodes), client(nodes), client(nodes)
    lease = holder.acquire(KEY, ttl=2.0)
    waiter = dead.new_waiter(KEY)
    with pytest.raises(LeaseBusy):
        dead.acquire_waiting(waiter, ttl=1.0)
    time.sleep(0.05)
    holder.release(lease)
    for _ in range(3):
        began_at = time.monotonic()
        heir.release(acquire_within(heir, KEY, ttl=1.0, wait=2.0, clock=SYSTEM_CLOCK))
        assert time.monotonic() - began_at < 0.5
