"""The fencing token comes out of the quorum, whatever the nodes' counters say."""

import pytest

from tasks.clock import SystemClock
from tasks.errors import QuorumUnavailable
from tasks.locks.redlock import Redlock
from tests.contract.redis_nodes import PREFIX, Nodes
from tests.contract.waiting import wait_until

KEY = "order:1"


class WrongClock(SystemClock):
    """A machine whose wall clock is off by so many seconds."""

    def __init__(self, off_seconds: float) -> None:
        self.off_seconds = off_seconds

    def wall(self) -> float:
        return super().wall() + self.off_seconds


def _client(nodes: Nodes, off_seconds: float) -> Redlock:
    clock = WrongClock(off_seconds)
    return Redlock(nodes.urls, prefix=PREFIX, max_ttl=2.0, node_timeout=0.25, clock=clock)


def _counters(nodes: Nodes) -> list[int]:
    counters = []
    for node in nodes:
        with node.client() as client:
            counters.append(int(client.get(f"{PREFIX}:token:{{{KEY}}}") or 0))
    return counters


def _set_counters(nodes: Nodes, *values: int) -> None:
    for node, value in zip(nodes, values, strict=True):
        with node.client() as client:
            client.set(f"{PREFIX}:token:{{{KEY}}}", value)


def test_nodes_that_disagree_are_brought_to_one_number(nodes: Nodes) -> None:
    # Beyond every clock, so that the nodes count on by themselves.
    _set_counters(nodes, *(2**52 + n for n in (100, 200, 300)))
    backend = _client(nodes, off_seconds=0.0)
    lease = backend.acquire(KEY, ttl=1.0)
    assert lease.token in {2**52 + 201, 2**52 + 301}
    assert _counters(nodes).count(lease.token) >= 2
    backend.release(lease)
    assert backend.acquire(KEY, ttl=1.0).token > lease.token
    backend.close()


def test_a_clock_that_runs_behind_still_gets_larger_tokens(nodes: Nodes) -> None:
    ahead, behind = _client(nodes, off_seconds=5.0), _client(nodes, off_seconds=-3600.0)
    tokens = []
    for backend in (ahead, behind, behind, ahead, behind):
        lease = backend.acquire(KEY, ttl=1.0)
        tokens.append(lease.token)
        backend.release(lease)
    assert tokens == sorted(set(tokens))
    ahead.close()
    behind.close()


def test_tokens_are_stored_to_the_last_digit(nodes: Nodes) -> None:
    backend = _client(nodes, off_seconds=0.0)
    lease = backend.acquire(KEY, ttl=1.0)
    wait_until(lambda: set(_counters(nodes)) <= {lease.token, 0})
    assert _counters(nodes).count(lease.token) >= 2
    assert 1.7e15 < lease.token < 2**53
    backend.close()


def test_a_clock_far_ahead_is_refused_with_a_reason(nodes: Nodes) -> None:
    backend = _client(nodes, off_seconds=86_400.0)
    with pytest.raises(QuorumUnavailable, match=r"clock is 86\d{3} s behind this machine's"):
        backend.acquire(KEY, ttl=1.0)
    assert nodes.slots() == []
    backend.close()
