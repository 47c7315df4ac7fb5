"""PostgreSQL in place of lock nodes that are away, with real servers of both kinds."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest

from tasks.errors import LeaseBusy, LeaseLost, QuorumUnavailable
from tasks.locks.database import DatabaseLocks
from tasks.locks.fallback import FallbackLocks
from tasks.locks.lease import Lease
from tasks.locks.limits import CLOCK_ALLOWANCE_SECONDS
from tasks.locks.redlock import Redlock
from tests.contract.backend_maker import MAX_TTL
from tests.contract.backend_rigs import StoreRig
from tests.contract.redis_nodes import PREFIX, Nodes, running
from tests.contract.store_servers import PostgresServer
from tests.contract.waiting import wait_until

AFTER = 0.3
KEY = "order:1"


class Clock:
    """The machine's, which can be set ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def wall(self) -> float:
        return time.time() + self.ahead


class Locks(FallbackLocks):
    """One process's view, with what it told."""

    def __init__(self, nodes: Nodes, server: PostgresServer, prefix: str) -> None:
        self.told: list[tuple[str, str]] = []
        self.clock = Clock()
        redlock = Redlock(nodes.urls, prefix=PREFIX, max_ttl=MAX_TTL, node_timeout=0.25)
        database = DatabaseLocks(
            server.parameters,
            prefix=prefix,
            max_ttl=MAX_TTL,
            timeout=5.0,
            lead=CLOCK_ALLOWANCE_SECONDS,
        )
        super().__init__(
            redlock,
            database,
            max_ttl=MAX_TTL,
            after=AFTER,
            on_fallback=lambda key, reason: self.told.append((key, reason)),
            clock=self.clock,
        )


MakeLocks = Callable[[], Locks]


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    with running(3, tmp_path) as started:
        yield started


@pytest.fixture
def locks(nodes: Nodes, postgres: StoreRig, postgres_server: PostgresServer) -> Iterator[MakeLocks]:
    made: list[Locks] = []
    prefix = uuid4().hex

    def make() -> Locks:
        made.append(Locks(nodes, postgres_server, prefix))
        return made[-1]

    yield make
    for one in made:
        one.close()


def _kill(nodes: Nodes) -> None:
    for node in nodes:
        node.kill()


def _start_again(nodes: Nodes, *users: Locks) -> None:
    """Empty nodes that may vote at once, since every lease they gave has ended."""
    for user in users:
        user._nodes.close()
    for node in nodes:
        node.start()
    nodes.mark_new()


def _after_the_wait(one: Locks, key: str = KEY) -> Lease:
    with pytest.raises(QuorumUnavailable, match="PostgreSQL takes over in"):
        one.acquire(key, ttl=MAX_TTL)
    one.clock.ahead += AFTER
    return one.acquire(key, ttl=MAX_TTL)


def test_nodes_that_vote_are_used_and_the_database_is_not_asked(
    locks: MakeLocks, postgres_server: PostgresServer
) -> None:
    one = locks()
    postgres_server.kill()
    lease = one.acquire(KEY, ttl=1.0)
    assert lease.backend == "redlock"
    assert one.release(one.extend(lease)) is True
    assert one.told == []


def test_the_database_takes_over_after_the_nodes_leases_have_ended(
    locks: MakeLocks, nodes: Nodes
) -> None:
    one, other = locks(), locks()
    _kill(nodes)
    lease = _after_the_wait(one)
    assert lease.backend == "postgres"
    assert [key for key, _ in one.told] == [KEY]
    assert "of 3 lock nodes could vote" in one.told[0][1]
    with pytest.raises(QuorumUnavailable):
        other.acquire(KEY, ttl=1.0)
    other.clock.ahead += AFTER
    with pytest.raises(LeaseBusy) as busy:
        other.acquire(KEY, ttl=1.0)
    assert 0 < busy.value.retry_after <= MAX_TTL
    assert one.release(one.extend(lease)) is True
    assert other.release(other.acquire(KEY, ttl=1.0)) is True


def test_a_quorum_in_between_starts_the_wait_anew(locks: MakeLocks, nodes: Nodes) -> None:
    one = locks()
    _kill(nodes)
    with pytest.raises(QuorumUnavailable):
        one.acquire(KEY, ttl=1.0)
    _start_again(nodes, one)
    one.release(one.acquire(KEY, ttl=1.0))
    _kill(nodes)
    one.clock.ahead += AFTER
    with pytest.raises(QuorumUnavailable, match="PostgreSQL takes over in"):
        one.acquire(KEY, ttl=1.0)


def test_an_outage_seen_long_ago_is_no_proof_of_one_until_now(
    locks: MakeLocks, nodes: Nodes
) -> None:
    one = locks()
    _kill(nodes)
    with pytest.raises(QuorumUnavailable):
        one.acquire(KEY, ttl=1.0)
    one.clock.ahead += 3600
    assert _after_the_wait(one).backend == "postgres"


def test_tokens_rise_on_the_way_there_and_back(locks: MakeLocks, nodes: Nodes) -> None:
    one = locks()
    first = one.acquire(KEY, ttl=1.0)
    one.release(first)
    _kill(nodes)
    stand_ins = [_after_the_wait(one)]
    one.release(stand_ins[0])
    stand_ins.append(one.acquire(KEY, ttl=1.0))
    one.release(stand_ins[1])
    _start_again(nodes, one)
    deadline = time.monotonic() + 3 * CLOCK_ALLOWANCE_SECONDS
    while True:
        try:
            back = one.acquire(KEY, ttl=1.0)
            break
        except LeaseBusy:
            # The nodes' clock readings have not yet passed the lead of the stand-in's tokens.
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert [lease.backend for lease in (first, *stand_ins, back)] == [
        "redlock", "postgres", "postgres", "redlock"]  # fmt: skip
    tokens = [lease.token for lease in (first, *stand_ins, back)]
    assert all(a < b for a, b in pairwise(tokens)), tokens


def test_nodes_that_are_back_do_not_give_what_the_database_still_lends(
    locks: MakeLocks, nodes: Nodes
) -> None:
    one, other = locks(), locks()
    _kill(nodes)
    lease = _after_the_wait(one)
    with pytest.raises(QuorumUnavailable):
        other.acquire(KEY, ttl=1.0)
    _start_again(nodes, one, other)
    for each in (one, other):
        with pytest.raises(LeaseBusy) as busy:
            each.acquire(KEY, ttl=1.0)
        assert busy.value.retry_after > 0
    # A lease stays where it was granted.
    lease = one.extend(lease)
    assert one.release(lease) is True
    assert one.release(one.acquire("order:2", ttl=1.0)) is True


def test_the_nodes_are_used_alone_again_when_nothing_is_lent_any_more(
    locks: MakeLocks, nodes: Nodes, postgres_server: PostgresServer
) -> None:
    one = locks()
    _kill(nodes)
    lease = _after_the_wait(one)
    _start_again(nodes, one)
    one.clock.ahead += MAX_TTL + 2 * CLOCK_ALLOWANCE_SECONDS + 0.1
    one.release(one.acquire("order:2", ttl=1.0))
    assert one._outage is not None, "a lease is still lent by PostgreSQL"
    assert one.release(lease) is True
    one.release(one.acquire("order:2", ttl=1.0))
    postgres_server.kill()
    assert one.release(one.acquire("order:2", ttl=1.0)) is True


def test_with_both_away_both_are_named(
    locks: MakeLocks, nodes: Nodes, postgres_server: PostgresServer
) -> None:
    one = locks()
    lease = one.acquire(KEY, ttl=MAX_TTL)
    _kill(nodes)
    postgres_server.kill()
    with pytest.raises(QuorumUnavailable, match="takes over in"):
        one.acquire("order:2", ttl=1.0)
    one.clock.ahead += AFTER
    with pytest.raises(QuorumUnavailable, match=r"lock nodes could vote.*PostgreSQL at"):
        one.acquire("order:2", ttl=1.0)
    with pytest.raises(LeaseLost):
        one.extend(lease)
    assert one.release(lease) is False


def test_those_who_wait_stand_in_the_nodes_line(locks: MakeLocks) -> None:
    holder, patient = locks(), locks()
    lease = holder.acquire(KEY, ttl=MAX_TTL)
    got: list[Lease] = []

    def wait() -> None:
        got.append(
            patient.acquire_within(KEY, ttl=MAX_TTL, wait=20.0, holder="", on_busy=lambda: None)
        )

    thread = threading.Thread(target=wait)
    thread.start()
    # A node that the holder did not need may have the other's attempt, which is listed by itself.
    wait_until(lambda: 1 in [seen.waiting for seen in holder.leases()])
    holder.release(lease)
    thread.join(timeout=20)
    assert got[0].token > lease.token
    assert patient.release(got[0])
