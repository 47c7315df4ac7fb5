"""Nodes that hang, die, restart empty; holders that pause and die."""

import signal
import statistics
import time

import pytest

from tasks.errors import LeaseBusy, LeaseLost, QuorumUnavailable
from tasks.guard import single_flight
from tasks.locks.limits import CLOCK_ALLOWANCE_SECONDS
from tasks.locks.redlock import Redlock
from tests.contract.conftest import MakeClient
from tests.contract.holders import holder
from tests.contract.redis_nodes import PREFIX, Nodes
from tests.contract.waiting import wait_until

KEY = "order:1"


def _warm(backend: Redlock) -> None:
    """All nodes connected, nothing held."""
    for _ in range(3):
        backend.release(backend.acquire("warm", ttl=0.5))
        time.sleep(0.02)


def _cycles(backend: Redlock, count: int) -> list[float]:
    """Seconds that each acquire took."""
    seconds = []
    for _ in range(count):
        began_at = time.monotonic()
        lease = backend.acquire(KEY, ttl=1.0)
        seconds.append(time.monotonic() - began_at)
        assert backend.release(lease)
    return seconds


def test_a_hung_node_costs_milliseconds_and_keeps_nothing(
    five_nodes: Nodes, client: MakeClient
) -> None:
    backend = client(five_nodes)
    _warm(backend)
    five_nodes[2].hang()
    assert statistics.median(_cycles(backend, 100)) < 0.005
    time.sleep(0.3)  # past the node timeout: from now on the node gets nothing new
    assert statistics.median(_cycles(backend, 100)) < 0.005
    five_nodes[2].go_on()
    wait_until(lambda: five_nodes.slots() == [], seconds=0.9)
    assert _cycles(backend, 5)


def test_a_node_that_hung_takes_part_again(nodes: Nodes, client: MakeClient) -> None:
    backend = client(nodes)
    _warm(backend)
    nodes[0].hang()
    _cycles(backend, 5)
    time.sleep(0.3)
    _cycles(backend, 5)
    nodes[0].go_on()
    nodes[1].kill()
    wait_until(lambda: _can_acquire(backend))


def _can_acquire(backend: Redlock) -> bool:
    try:
        return backend.release(backend.acquire(KEY, ttl=0.5))
    except QuorumUnavailable:
        return False


def test_two_of_five_killed_are_not_missed(five_nodes: Nodes, client: MakeClient) -> None:
    backend = client(five_nodes)
    _warm(backend)
    five_nodes[0].kill()
    five_nodes[4].kill()
    assert statistics.median(_cycles(backend, 50)) < 0.01


def test_three_of_five_killed_is_no_quorum_at_once_and_never_busy(
    five_nodes: Nodes, client: MakeClient
) -> None:
    holder_, backend = client(five_nodes), client(five_nodes)
    _warm(backend)
    lease = holder_.acquire(KEY, ttl=2.0)
    for node in five_nodes[:3]:
        node.kill()
    for _ in range(5):
        began_at = time.monotonic()
        with pytest.raises(QuorumUnavailable, match="of 5 lock nodes could vote"):
            backend.acquire(KEY, ttl=1.0)
        assert time.monotonic() - began_at < 0.5
    with pytest.raises(LeaseLost):
        holder_.extend(lease)
    assert holder_.release(lease) is False


def test_a_hung_majority_is_no_quorum_within_the_node_timeout(
    nodes: Nodes, client: MakeClient
) -> None:
    backend = client(nodes)
    _warm(backend)
    nodes[0].hang()
    nodes[1].hang()
    seconds = []
    for _ in range(4):
        began_at = time.monotonic()
        with pytest.raises(QuorumUnavailable):
            backend.acquire(KEY, ttl=1.0)
        seconds.append(time.monotonic() - began_at)
    assert seconds[0] < 0.5
    assert max(seconds[1:]) < 0.1, "a node known to be stalled is waited for again"
    nodes[0].go_on()
    nodes[1].go_on()
    wait_until(lambda: nodes.slots() == [], seconds=0.9)
    wait_until(lambda: _can_acquire(backend))


def test_a_killed_node_comes_back_into_use(nodes: Nodes, client: MakeClient) -> None:
    backend = client(nodes)
    _warm(backend)
    nodes[0].kill()
    _cycles(backend, 3)
    nodes[0].start()
    with nodes[0].client() as plain:
        wait_until(lambda: _cycles(backend, 1) != [] and plain.exists(f"{PREFIX}:lock-node") == 1)


def test_an_empty_restart_makes_no_second_holder(nodes: Nodes, client: MakeClient) -> None:
    alice, bob = client(nodes, max_ttl=0.6), client(nodes, max_ttl=0.6)
    _warm(alice)
    _warm(bob)
    nodes[2].kill()
    lease = alice.acquire(KEY, ttl=0.6)  # known to nodes 0 and 1 only
    nodes[1].restart_empty()
    nodes[2].start()
    while lease.remaining(time.monotonic()):
        with pytest.raises((LeaseBusy, QuorumUnavailable)):
            bob.acquire(KEY, ttl=0.6)
    wait_until(lambda: _can_acquire(bob), seconds=0.6 + CLOCK_ALLOWANCE_SECONDS + 3)
    assert bob.acquire(KEY, ttl=0.6).token > lease.token


def test_a_flushed_node_sits_out_its_quarantine(nodes: Nodes, client: MakeClient) -> None:
    alice, bob = client(nodes), client(nodes)
    lease = alice.acquire(KEY, ttl=2.0)
    for node in nodes:
        with node.client() as plain:
            plain.flushall()
    with pytest.raises(QuorumUnavailable, match=r"may vote again in [34]\.\d s"):
        bob.acquire(KEY, ttl=1.0)
    with pytest.raises(LeaseLost):
        alice.extend(lease)


def test_flushed_scripts_are_loaded_again(nodes: Nodes, client: MakeClient) -> None:
    backend = client(nodes)
    _warm(backend)
    for node in nodes:
        with node.client() as plain:
            plain.script_flush()
    with pytest.raises(QuorumUnavailable, match="NOSCRIPT"):
        backend.acquire(KEY, ttl=1.0)
    wait_until(lambda: _can_acquire(backend))
    assert _cycles(backend, 5)


def test_a_slot_set_again_is_no_proof_of_having_held(nodes: Nodes, client: MakeClient) -> None:
    backend = client(nodes)
    _warm(backend)
    lease = backend.acquire(KEY, ttl=2.0)
    wait_until(lambda: len(nodes.slots()) == 3)
    _free(nodes, 1)
    lease = backend.extend(lease)
    wait_until(lambda: len(nodes.slots()) == 3)
    _free(nodes, 2)
    with pytest.raises(LeaseLost):
        backend.extend(lease)
    backend.release(lease)
    wait_until(lambda: nodes.slots() == [])


def _free(nodes: Nodes, count: int) -> None:
    for node in nodes[:count]:
        with node.client() as plain:
            plain.delete(f"{PREFIX}:lease:{{{KEY}}}")


def test_a_holder_past_its_ttl_has_lost_the_lease(nodes: Nodes, client: MakeClient) -> None:
    alice, bob = client(nodes), client(nodes)
    lease = alice.acquire(KEY, ttl=0.2)
    with single_flight(KEY, ttl=2.0, wait=2.0, backend=bob) as held:
        assert lease.remaining(time.monotonic()) == 0
        with pytest.raises(LeaseLost):
            alice.extend(lease)
        assert alice.release(lease) is False
        assert held.token > lease.token
        held.ensure()
        assert len(nodes.slots()) >= 2


def test_a_stopped_process_learns_that_its_lease_is_gone(nodes: Nodes, client: MakeClient) -> None:
    with holder("hold", nodes, KEY, 0.3) as paused:
        token = paused.says()["token"]
        paused.process.send_signal(signal.SIGSTOP)
        with single_flight(KEY, ttl=1.0, wait=3.0, backend=client(nodes)) as held:
            assert held.token > token
            paused.process.send_signal(signal.SIGCONT)
            paused.nudge()
            assert paused.says() == {"extended": False, "released": False}
            held.ensure()


def test_a_killed_holder_frees_its_key_within_the_ttl(nodes: Nodes, client: MakeClient) -> None:
    backend = client(nodes)
    with holder("hold", nodes, KEY, 0.5) as victim:
        victim.says()
        victim.process.kill()
        began_at = time.monotonic()
        with single_flight(KEY, ttl=1.0, wait=3.0, backend=backend):
            assert time.monotonic() - began_at < 0.9
