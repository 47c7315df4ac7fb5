"""What every lock backend promises, against real servers that hang, die and come back."""

import dataclasses
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest

from tasks.errors import LeaseBusy, LeaseLost, QuorumUnavailable
from tasks.guard import single_flight
from tasks.locks.backend import ClosableBackend
from tasks.locks.lease import Lease
from tests.contract.backend_maker import MAX_TTL, make
from tests.contract.backend_rigs import RedlockRig, Rig, StoreRig
from tests.contract.holders import Holder
from tests.contract.redis_nodes import running

MakeBackend = Callable[..., ClosableBackend]
Section = tuple[int, float, float]
PROMPT_SECONDS = 1.8
BACKENDS = ("redlock-1", "redlock-3", "redlock-5", "postgres", "zookeeper")
# Where the number of nodes makes no difference: these tests start processes or wait.
once_each = pytest.mark.parametrize("rig", ["redlock-3", "postgres", "zookeeper"], indirect=True)


@pytest.fixture(params=BACKENDS)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    if request.param.startswith("redlock-"):
        with running(int(request.param[-1]), tmp_path) as nodes:
            yield RedlockRig(nodes)
        return
    yield request.getfixturevalue(request.param)


@pytest.fixture
def backend(rig: Rig) -> Iterator[MakeBackend]:
    """Makes backends with connections of their own, as other processes have; ``warm``: connected
    already."""
    made: list[ClosableBackend] = []

    def another(warm: bool = True) -> ClosableBackend:
        made.append(make(rig.specification))
        if warm:
            assert made[-1].release(_acquire(made[-1], f"warm:{uuid4().hex}", 1.5, seconds=10))
        return made[-1]

    yield another
    rig.go_on()
    for one in made:
        one.close()


@pytest.fixture
def key() -> str:
    return f"order:{uuid4().hex}"


@contextmanager
def worker(rig: Rig) -> Iterator["Told"]:
    process = Told("tests.contract.backend_process", rig.specification)
    try:
        yield process
    finally:
        process.end()


class Told(Holder):
    """A process that does what it is told."""

    def tell(self, *command: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, command)) + "\n")
        self.process.stdin.flush()

    def do(self, *command: object) -> object:
        self.tell(*command)
        return self.says()


def _acquire(backend: ClosableBackend, key: str, ttl: float, seconds: float = 5.0) -> Lease:
    """As soon as it is free."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return backend.acquire(key, ttl=ttl)
        except (LeaseBusy, QuorumUnavailable):
            assert time.monotonic() < deadline, "the key did not become free in time"
            time.sleep(0.01)


def _assert_one_at_a_time(sections: list[Section]) -> None:
    in_time = sorted(sections, key=lambda section: section[1])
    for (token, _, ended_at), (next_token, began_at, _) in pairwise(in_time):
        assert ended_at <= began_at, "two holders were inside at once"
        assert token < next_token, "a later holder got no larger token"


# -- who holds it -----------------------------------------------------------------


def test_a_held_key_is_busy_and_says_for_how_long(backend: MakeBackend, key: str) -> None:
    alice, bob = backend(), backend()
    lease = alice.acquire(key, ttl=1.0)
    for same_or_other in (alice, bob):
        with pytest.raises(LeaseBusy) as busy:
            same_or_other.acquire(key, ttl=1.0)
        assert 0.3 < busy.value.retry_after <= 1.0
    assert alice.release(lease) is True
    later = bob.acquire(key, ttl=1.0)
    assert later.token > lease.token
    assert bob.release(later) is True


def test_tokens_rise_whoever_asks(backend: MakeBackend, key: str) -> None:
    tokens = []
    clients = [backend(), backend(), backend()]
    for turn in range(30):
        lease = clients[turn % 3].acquire(key, ttl=1.0)
        tokens.append(lease.token)
        assert clients[turn % 3].release(lease)
    assert all(a < b for a, b in pairwise(tokens))


def test_a_token_is_a_clock_reading_that_other_backends_compare_with(
    backend: MakeBackend, key: str
) -> None:
    one = backend()
    before = time.time_ns() // 1000 - 3600_000_000
    lease = one.acquire(key, ttl=1.0)
    assert before < lease.token < time.time_ns() // 1000 + 60_000_000
    assert one.release(lease)


def test_nobody_gives_back_what_is_not_his(backend: MakeBackend, key: str) -> None:
    alice, bob = backend(), backend()
    lease = alice.acquire(key, ttl=1.5)
    with pytest.raises(LeaseBusy):
        bob.acquire(key, ttl=1.5)
    others = alice.acquire(f"{key}:other", ttl=1.5)
    forged = dataclasses.replace(others, key=key, nonce=f"{others.nonce[:-1]}7")
    assert bob.release(forged) is False
    with pytest.raises(LeaseLost):
        bob.extend(forged)
    with pytest.raises(LeaseBusy):
        bob.acquire(key, ttl=1.5)
    assert alice.release(lease) is True
    assert alice.release(lease) is False
    assert alice.release(others) is True


def test_late_requests_of_an_earlier_lease_change_nothing(backend: MakeBackend, key: str) -> None:
    alice, bob = backend(), backend()
    first = alice.acquire(key, ttl=1.0)
    assert alice.release(first)
    second = bob.acquire(key, ttl=1.5)
    with pytest.raises(LeaseLost):
        alice.extend(first)
    assert alice.release(first) is False
    with pytest.raises(LeaseBusy):
        alice.acquire(key, ttl=1.0)
    assert bob.extend(second).token == second.token
    assert bob.release(second) is True


def test_keys_are_apart_whatever_they_look_like(backend: MakeBackend) -> None:
    one = backend()
    mark = uuid4().hex[:8]
    ends = ["a/b", "a/b/", "a//b", "../a", "/", "ordre:\u00e9", "ordre:e\u0301", "注文:1", "%s%%"]
    ends += ["'\"\\;--", "*?[a]", "a:b", "a-0000000001", "x" * 192]
    keys = [f"{mark}{end}" for end in ends]
    leases = [one.acquire(each, ttl=1.5) for each in keys]
    for each in keys:
        with pytest.raises(LeaseBusy):
            one.acquire(each, ttl=1.0)
    assert all(one.release(lease) for lease in leases)


@pytest.mark.parametrize("bad", ["", "a b", "a\nb", "a{b}", "x" * 201, "é" * 101, "a\x00b"])
def test_a_bad_key_is_refused(backend: MakeBackend, bad: str) -> None:
    with pytest.raises(ValueError, match="key"):
        backend(warm=False).acquire(bad, ttl=1.0)


def test_a_ttl_out_of_bounds_is_refused(rig: Rig, backend: MakeBackend, key: str) -> None:
    for ttl in (0.0, -1.0, 0.001, rig.max_ttl + 0.1, float("nan")):
        with pytest.raises(ValueError, match="LOCK_TTL_SECONDS"):
            backend(warm=False).acquire(key, ttl=ttl)


# -- many at once -----------------------------------------------------------------


def test_threads_of_one_process_take_turns(backend: MakeBackend, key: str) -> None:
    one = backend()
    sections: list[Section] = []

    def work() -> None:
        for _ in range(6):
            with single_flight(key, ttl=2.0, wait=20.0, backend=one) as held:
                began_at = time.monotonic()
                time.sleep(0.0005)
                sections.append((held.token, began_at, time.monotonic()))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(sections) == 36
    _assert_one_at_a_time(sections)


@once_each
def test_processes_take_turns(rig: Rig, key: str) -> None:
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(rig)) for _ in range(2)]
        for one in workers:
            one.tell("sections", key, 12)
        sections = [tuple(section) for one in workers for section in one.says()]
    assert len(sections) == 24
    _assert_one_at_a_time(sections)


@once_each
def test_a_fork_has_neither_its_parents_leases_nor_its_connections(rig: Rig, key: str) -> None:
    with worker(rig) as parent:
        assert parent.do("fork", key) is True


def test_cycles_leave_no_thread_and_no_socket_behind(backend: MakeBackend, key: str) -> None:
    one = backend()
    time.sleep(0.1)
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for turn in range(100):
        assert one.release(one.acquire(f"{key}:{turn % 10}", ttl=1.0))
    assert threading.active_count() <= threads
    assert len(os.listdir("/proc/self/fd")) <= files + 1


# -- how it ends --------------------------------------------------------------------


@once_each
def test_an_extended_lease_outlives_its_ttl(backend: MakeBackend, key: str) -> None:
    alice, bob = backend(), backend()
    lease = alice.acquire(key, ttl=0.6)
    for _ in range(4):
        time.sleep(0.25)
        longer = alice.extend(lease)
        assert longer.valid_until > lease.valid_until
        assert longer.token == lease.token
        lease = longer
        with pytest.raises(LeaseBusy):
            bob.acquire(key, ttl=0.5)
    assert alice.release(lease) is True


def test_a_lease_that_is_not_extended_ends(backend: MakeBackend, key: str) -> None:
    alice, bob = backend(), backend()
    lease = alice.acquire(key, ttl=0.3)
    began_at = time.monotonic()
    other = _acquire(bob, key, ttl=1.0)
    assert lease.remaining(time.monotonic()) == 0, "it was taken before its end"
    assert time.monotonic() - began_at < 0.6
    assert other.token > lease.token
    with pytest.raises(LeaseLost):
        alice.extend(lease)
    assert alice.release(lease) is False
    assert bob.extend(other).token == other.token
    assert bob.release(other) is True


@once_each
def test_an_extension_at_the_last_moment_holds_or_is_refused(
    backend: MakeBackend, key: str
) -> None:
    alice, bob = backend(), backend()
    over = threading.Event()
    taken: list[Lease] = []

    def keep_asking() -> None:
        while not over.is_set():
            try:
                taken.append(bob.acquire(key, ttl=1.0))
            except LeaseBusy:
                continue
            over.wait(0.02)
            bob.release(taken[-1])

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        for turn in range(5):
            lease = _acquire(alice, key, ttl=0.15)
            time.sleep(max(0.0, lease.remaining(time.monotonic()) - 0.0015 * turn))
            try:
                lease = alice.extend(lease)
            except LeaseLost:
                alice.release(lease)
                continue
            while lease.remaining(time.monotonic()):
                time.sleep(0.005)
            span = (lease.acquired_at, lease.valid_until)
            inside = [other for other in taken if span[0] < other.acquired_at < span[1]]
            assert not inside, "somebody got the key while an extended lease was valid"
            alice.release(lease)
    finally:
        over.set()
        asking.join(timeout=10)


def test_a_lease_that_nobody_took_over_ends_all_the_same(backend: MakeBackend, key: str) -> None:
    one = backend()
    lease = one.acquire(key, ttl=0.2)
    time.sleep(0.22)
    with pytest.raises(LeaseLost):
        one.extend(lease)
    assert one.release(lease) is False
    assert one.release(one.acquire(key, ttl=0.5)) is True


@once_each
def test_a_killed_holder_frees_its_key_within_the_ttl(
    rig: Rig, backend: MakeBackend, key: str
) -> None:
    with worker(rig) as victim:
        token = victim.do("hold", key, 0.6)
        victim.process.kill()
        began_at = time.monotonic()
        lease = _acquire(backend(), key, ttl=1.0)
        assert time.monotonic() - began_at < 0.9
        assert lease.token > int(str(token))


@once_each
def test_a_stopped_holder_is_overtaken_and_learns_it(
    rig: Rig, backend: MakeBackend, key: str
) -> None:
    with worker(rig) as paused:
        token = int(str(paused.do("hold", key, 0.4)))
        paused.process.send_signal(signal.SIGSTOP)
        one = backend()
        lease = _acquire(one, key, ttl=1.5)
        assert lease.token > token
        paused.process.send_signal(signal.SIGCONT)
        assert paused.do("extend") is False
        assert paused.do("release") is False
        assert one.extend(lease).token == lease.token


# -- servers that fail --------------------------------------------------------------


def _assert_unavailable(backend: ClosableBackend, key: str) -> None:
    for _ in range(3):
        began_at = time.monotonic()
        with pytest.raises(QuorumUnavailable):
            backend.acquire(key, ttl=1.0)
        assert time.monotonic() - began_at < PROMPT_SECONDS


def test_hung_servers_are_no_quorum_promptly_and_keep_nothing(
    rig: Rig, backend: MakeBackend, key: str
) -> None:
    alice, bob = backend(), backend()
    lease = alice.acquire(key, ttl=MAX_TTL)
    rig.hang()
    _assert_unavailable(bob, f"{key}:other")
    began_at = time.monotonic()
    with pytest.raises(LeaseLost):
        alice.extend(lease)
    assert alice.release(lease) is False
    assert time.monotonic() - began_at < 2 * PROMPT_SECONDS
    rig.go_on()
    # What hung servers were asked for, they do later; it must not stay behind.
    began_at = time.monotonic()
    free = _acquire(bob, f"{key}:other", ttl=1.0)
    assert time.monotonic() - began_at < 0.9, "the request that was given up kept the key"
    assert bob.release(free) is True


def test_killed_servers_are_no_quorum_promptly(rig: Rig, backend: MakeBackend, key: str) -> None:
    alice, bob = backend(), backend()
    lease = alice.acquire(key, ttl=MAX_TTL)
    rig.kill()
    _assert_unavailable(bob, key)
    _assert_unavailable(backend(warm=False), key)
    with pytest.raises(LeaseLost):
        alice.extend(lease)
    assert alice.release(lease) is False


def test_restarted_servers_make_no_second_holder(rig: Rig, backend: MakeBackend, key: str) -> None:
    alice, bob = backend(), backend()
    lease = alice.acquire(key, ttl=rig.max_ttl)
    rig.restart()
    busy = refused = 0
    while lease.remaining(time.monotonic()) and busy < 5:
        try:
            second = bob.acquire(key, ttl=1.0)
        except LeaseBusy:
            busy += 1
        except QuorumUnavailable:
            refused += 1
            time.sleep(0.005)
        else:
            assert lease.remaining(second.acquired_at) == 0, "two holders at once"
    if isinstance(rig, StoreRig):
        assert busy == 5, "it did not come back before the lease's end"
        # Her own connection may come back a moment later than his.
        assert alice.release(_acquire(alice, f"{key}:other", ttl=1.0))
        assert alice.extend(lease).token == lease.token
        assert alice.release(lease) is True
        assert _acquire(bob, key, ttl=1.0).token > lease.token
    else:
        # Lock nodes have forgotten it and sit out a quarantine, see test_lock_faults.
        assert refused > 0
        assert busy == 0
        assert alice.release(lease) is False
