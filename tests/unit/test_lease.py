"""A lease and what holds it, with time moved by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from tasks.errors import LeaseLost
from tasks.locks.held import HeldLease
from tasks.locks.lease import Lease


@dataclass
class HandClock:
    now: float = 100.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now


@dataclass
class OneHolder:
    """A backend with one customer, who never meets anybody: time alone can end a lease."""

    clock: HandClock
    extensions: int = 0
    released: list[Lease] = field(default_factory=list)

    def acquire(self, key: str, *, ttl: float, holder: str = "") -> Lease:
        now = self.clock.now
        return Lease(key, "nonce", 7, ttl, now + ttl, now)

    def extend(self, lease: Lease) -> Lease:
        if lease.remaining(self.clock.now) == 0:
            raise LeaseLost("ran out")
        self.extensions += 1
        return replace(lease, valid_until=self.clock.now + lease.ttl)

    def release(self, lease: Lease) -> bool:
        self.released.append(lease)
        return lease.remaining(self.clock.now) > 0

    def let_go(self, lease: Lease, told: Callable[[bool], None]) -> None:
        told(self.release(lease))


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def backend(clock: HandClock) -> OneHolder:
    return OneHolder(clock)


@pytest.fixture
def held(backend: OneHolder, clock: HandClock) -> HeldLease:
    return HeldLease(backend.acquire("order:1", ttl=9.0), backend, clock, max_hold=60.0)


def test_remaining_counts_down_to_zero_and_no_further() -> None:
    lease = Lease("k", "n", 1, 10.0, valid_until=110.0, acquired_at=100.0)
    assert [lease.remaining(now) for now in (100.0, 104.0, 110.0, 999.0)] == [10.0, 6.0, 0.0, 0.0]


def test_a_lease_past_its_validity_counts_as_lost(held: HeldLease, clock: HandClock) -> None:
    held.ensure()
    clock.now += 9.0
    with pytest.raises(LeaseLost):
        held.ensure()
    assert held.lost.is_set()


def test_what_is_lost_stays_lost(held: HeldLease, clock: HandClock, backend: OneHolder) -> None:
    clock.now += 9.0
    held.renew()
    clock.now -= 9.0
    held.renew()
    with pytest.raises(LeaseLost):
        held.ensure()
    assert backend.extensions == 0


def test_renewal_is_due_after_a_third_of_the_ttl(held: HeldLease, clock: HandClock) -> None:
    assert held.due_at() == pytest.approx(103.0)
    clock.now = 103.0
    held.renew()
    assert held.due_at() == pytest.approx(106.0)
    assert held.remaining == pytest.approx(9.0)


def test_renewal_stops_at_the_longest_hold(
    held: HeldLease, clock: HandClock, backend: OneHolder
) -> None:
    for _ in range(40):
        clock.now += 3.0
        held.renew()
    assert held.lost.is_set()
    assert backend.extensions == 19


def test_a_released_lease_is_never_extended_again(held: HeldLease, backend: OneHolder) -> None:
    held.release()
    held.renew()
    assert backend.extensions == 0
    assert len(backend.released) == 1


def test_a_lost_lease_is_released_all_the_same(
    held: HeldLease, clock: HandClock, backend: OneHolder
) -> None:
    clock.now += 20.0
    held.renew()
    held.release()
    assert len(backend.released) == 1
