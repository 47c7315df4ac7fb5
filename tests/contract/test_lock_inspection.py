"""What people see of the leases, and how they take one away."""

import time

import pytest

from tasks.errors import LeaseLost
from tasks.locks.redlock import Redlock
from tests.contract.conftest import MakeClient
from tests.contract.redis_nodes import Nodes
from tests.contract.waiting import wait_until

KEY = "order:1"


def _warm(backend: Redlock) -> None:
    """Connected to all nodes, not only to the first majority."""
    for _ in range(3):
        backend.release(backend.acquire("warm", ttl=0.5))
        time.sleep(0.02)


def test_live_leases_are_listed_with_their_holders(nodes: Nodes, client: MakeClient) -> None:
    backend, onlooker = client(nodes), client(nodes)
    _warm(backend)
    first = backend.acquire(KEY, ttl=2.0, holder='{"host": "büro", "task": "orders.capture"}')
    second = backend.acquire("order:2", ttl=1.0)
    wait_until(lambda: [len(seen.nodes) for seen in onlooker.leases()] == [3, 3])
    one, two = onlooker.leases()
    assert (one.key, one.nonce, one.token) == (KEY, first.nonce, first.token)
    assert one.holder == '{"host": "büro", "task": "orders.capture"}'
    assert 1.0 < one.remaining_seconds <= 2.0
    assert one.nodes == tuple(url.split("/")[2] for url in nodes.urls)
    assert (two.key, two.token, two.holder, two.waiting) == ("order:2", second.token, "", 0)
    backend.release(first)
    backend.release(second)
    wait_until(lambda: onlooker.leases() == [])


def test_an_extended_lease_keeps_its_holders_name(nodes: Nodes, client: MakeClient) -> None:
    backend = client(nodes)
    lease = backend.extend(backend.acquire(KEY, ttl=1.0, holder="worker 1"))
    assert [seen.holder for seen in backend.leases()] == ["worker 1"]
    assert backend.release(lease)


def test_the_list_is_bounded_and_a_dead_node_is_left_out(nodes: Nodes, client: MakeClient) -> None:
    backend = client(nodes)
    _warm(backend)
    for number in range(20):
        backend.acquire(f"order:{number}", ttl=2.0)
    nodes[0].kill()
    wait_until(lambda: len(backend.leases()) == 20)
    assert len(backend.leases(limit=5)) <= 10


def test_a_lease_taken_away_is_lost_to_its_holder(nodes: Nodes, client: MakeClient) -> None:
    holder, admin = client(nodes), client(nodes)
    _warm(holder)
    lease = holder.acquire(KEY, ttl=2.0)
    wait_until(lambda: len(nodes.slots()) == 3)
    assert admin.force_release(KEY, "f" * 32) is False
    assert admin.force_release(KEY, lease.nonce) is True
    newer = admin.acquire(KEY, ttl=2.0)
    assert newer.token > lease.token
    with pytest.raises(LeaseLost):
        holder.extend(lease)
    assert holder.release(lease) is False
    assert newer.remaining(time.monotonic()) > 1
    assert len(nodes.slots()) >= 2
