"""At most one holder, and every holder with a larger token than the one before."""

import threading
import time
from contextlib import ExitStack
from itertools import pairwise

import pytest

from tasks.errors import LeaseBusy
from tasks.guard import single_flight
from tests.contract.conftest import MakeClient
from tests.contract.holders import holder
from tests.contract.redis_nodes import Nodes

Section = tuple[int, float, float]


def _assert_one_at_a_time(sections: list[Section]) -> None:
    in_time = sorted(sections, key=lambda section: section[1])
    for (token, _, ended_at), (next_token, began_at, _) in pairwise(in_time):
        assert ended_at <= began_at, "two holders were inside at once"
        assert token < next_token, "a later holder got no larger token"


def test_a_held_key_is_busy_and_says_for_how_long(nodes: Nodes, client: MakeClient) -> None:
    alice, bob = client(nodes), client(nodes)
    lease = alice.acquire("order:1", ttl=1.0)
    with pytest.raises(LeaseBusy) as busy:
        bob.acquire("order:1", ttl=1.0)
    assert 0.5 < busy.value.retry_after <= 1.0
    assert alice.release(lease) is True
    assert bob.acquire("order:1", ttl=1.0).token > lease.token


def test_different_keys_do_not_meet(nodes: Nodes, client: MakeClient) -> None:
    backend = client(nodes)
    leases = [backend.acquire(f"order:{n}", ttl=1.0) for n in range(5)]
    assert [backend.release(lease) for lease in leases] == [True] * 5
    assert nodes.slots() == []


def test_a_second_release_says_that_it_was_not_ours(nodes: Nodes, client: MakeClient) -> None:
    backend = client(nodes)
    lease = backend.acquire("order:1", ttl=1.0)
    assert backend.release(lease) is True
    assert backend.release(lease) is False


def test_eight_threads_of_one_process_take_turns(nodes: Nodes, client: MakeClient) -> None:
    backend = client(nodes)
    sections: list[Section] = []

    def work() -> None:
        for _ in range(10):
            with single_flight("hot", ttl=2.0, wait=20.0, backend=backend) as held:
                began_at = time.monotonic()
                time.sleep(0.0005)
                sections.append((held.token, began_at, time.monotonic()))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(sections) == 80
    _assert_one_at_a_time(sections)
    assert nodes.slots() == []


def test_eight_processes_take_turns(nodes: Nodes) -> None:
    with ExitStack() as stack:
        workers = [stack.enter_context(holder("sections", nodes, "hot", 10)) for _ in range(8)]
        sections = [tuple(section) for worker in workers for section in worker.says()]
    assert len(sections) == 80
    _assert_one_at_a_time(sections)
    assert nodes.slots() == []
