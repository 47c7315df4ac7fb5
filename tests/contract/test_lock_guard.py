"""single_flight against real nodes: renewal, loss, waiting, forks."""

import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

import pytest

from tasks.errors import LeaseBusy, LeaseLost, TaskError
from tasks.guard import single_flight
from tests.contract.conftest import MakeClient
from tests.contract.redis_nodes import PREFIX, Nodes
from tests.contract.waiting import wait_until

KEY = "order:1"


def test_a_long_section_keeps_its_lease(nodes: Nodes, client: MakeClient) -> None:
    alice, bob = client(nodes), client(nodes)
    with single_flight(KEY, ttl=0.3, backend=alice) as held:
        token, until = held.token, time.monotonic() + 1.2
        while time.monotonic() < until:
            held.ensure()
            with pytest.raises(LeaseBusy):
                bob.acquire(KEY, ttl=0.3)
            time.sleep(0.02)
        assert held.token == token
    bob.release(bob.acquire(KEY, ttl=0.3))


def test_renewal_ends_at_the_longest_hold(nodes: Nodes, client: MakeClient) -> None:
    with single_flight(KEY, ttl=0.2, max_hold=0.3, backend=client(nodes)) as held:
        assert held.lost.wait(timeout=2.0)
        with pytest.raises(LeaseLost):
            held.ensure()


def test_the_key_is_free_after_an_exception(nodes: Nodes, client: MakeClient) -> None:
    with pytest.raises(ZeroDivisionError), single_flight(KEY, ttl=2.0, backend=client(nodes)):
        _ = 1 / 0
    assert nodes.slots() == []


def test_a_stolen_lease_is_signalled(nodes: Nodes, client: MakeClient) -> None:
    with single_flight(KEY, ttl=0.6, backend=client(nodes)) as held:
        for node in nodes:
            with node.client() as plain:
                plain.set(f"{PREFIX}:lease:{{{KEY}}}", "somebody else", px=500)
        assert held.lost.wait(timeout=0.6)
        with pytest.raises(LeaseLost):
            held.ensure()


def test_the_loss_of_the_quorum_is_signalled(nodes: Nodes, client: MakeClient) -> None:
    with single_flight(KEY, ttl=0.6, backend=client(nodes)) as held:
        nodes[0].kill()
        nodes[1].hang()
        assert held.lost.wait(timeout=1.0)


def test_one_restarted_node_does_not_end_a_lease(nodes: Nodes, client: MakeClient) -> None:
    backend = client(nodes)
    for _ in range(3):
        backend.release(backend.acquire("warm", ttl=1.0))
        time.sleep(0.02)
    with single_flight(KEY, ttl=0.4, backend=backend) as held:
        nodes[0].restart_empty()
        time.sleep(1.0)
        held.ensure()


def test_waiting_ends_when_the_holder_is_done(nodes: Nodes, client: MakeClient) -> None:
    alice, bob = client(nodes), client(nodes)
    lease = alice.acquire(KEY, ttl=2.0)
    timer = threading.Timer(0.15, alice.release, [lease])
    timer.start()
    began_at = time.monotonic()
    with single_flight(KEY, ttl=2.0, wait=1.5, backend=bob):
        assert 0.1 < time.monotonic() - began_at < 0.9
    timer.join()


def test_waiting_has_an_end(nodes: Nodes, client: MakeClient) -> None:
    alice, bob = client(nodes), client(nodes)
    alice.acquire(KEY, ttl=2.0)
    began_at = time.monotonic()
    with pytest.raises(LeaseBusy), single_flight(KEY, ttl=2.0, wait=0.2, backend=bob):
        pass
    assert 0.2 <= time.monotonic() - began_at < 0.5


class _Struck(Exception):
    """What a signal handler throws into the middle of whatever runs."""


# Python itself complains when a signal strikes while it starts a thread.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_signal_in_the_middle_of_a_round_breaks_nothing(nodes: Nodes, client: MakeClient) -> None:
    backend = client(nodes, max_ttl=0.3)

    def strike(_number: int, _frame: FrameType | None) -> None:
        raise _Struck

    before = signal.signal(signal.SIGALRM, strike)
    struck = 0
    try:
        for round_number in range(100):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0001 + round_number * 0.00001)
                with single_flight(f"order:{round_number}", ttl=0.3, backend=backend):
                    pass
                signal.setitimer(signal.ITIMER_REAL, 0)
            except _Struck:
                struck += 1
            except TaskError:
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert struck
    with single_flight(KEY, ttl=0.3, backend=backend) as held:
        held.ensure()
    wait_until(lambda: nodes.slots() == [])


def test_no_file_and_no_thread_is_left_behind(nodes: Nodes, client: MakeClient) -> None:
    backend = client(nodes)
    for _ in range(20):
        with single_flight(KEY, ttl=1.0, backend=backend):
            pass
        time.sleep(0.005)
    files, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(500):
        with single_flight(KEY, ttl=1.0, backend=backend):
            pass
    assert len(os.listdir("/proc/self/fd")) <= files
    assert threading.active_count() <= threads


def test_a_forked_child_has_connections_and_renewal_of_its_own(nodes: Nodes) -> None:
    command = [sys.executable, "-m", "tests.contract.forking", ",".join(nodes.urls)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert nodes.slots() == []
