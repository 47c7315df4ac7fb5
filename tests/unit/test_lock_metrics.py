"""What is counted about locks, and that counting it is cheap and bounded."""

import threading

import pytest
from prometheus_client import REGISTRY

from tasks.locks.metrics import (
    BUSY,
    LOST_WHILE_HELD,
    QUORUM_LOST,
    RELEASED_LATE,
    LockMetrics,
)
from tasks.tally import Families, Tally


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_tally_sorts_into_buckets_with_their_upper_ends_included() -> None:
    tally = Tally((1, 2))
    for value in (0.5, 1, 1.5, 2, 99):
        tally.add(value)
    assert tally.take() == ([2, 2, 1], 104)
    assert tally.take() == ([0, 0, 0], 0)


def test_names_of_families_are_bounded_and_declared_ones_always_count() -> None:
    families = Families(room=2)
    families.declare("order")
    seen = [families.of(key) for key in ("a:1", "b:1", "c:1", "a:2", "order:7", "d")]
    assert seen == ["a", "b", "other", "a", "order", "other"]


def test_a_section_is_counted_from_asking_to_giving_back() -> None:
    metrics = LockMetrics()
    before = sample("lock_held_seconds_sum", family="story")
    metrics.acquired("story:1", waited=0.3, retries=2)
    metrics.flush()
    assert sample("lock_leases_held", family="story") == 1
    metrics.ended("story:1", held=1.5)
    metrics.flush()
    assert sample("lock_leases_held", family="story") == 0
    assert sample("lock_outcomes_total", family="story", outcome="granted") == 1
    assert sample("lock_acquire_retries_total", family="story") == 2
    assert sample("lock_acquire_wait_seconds_count", family="story") == 1
    assert sample("lock_acquire_wait_seconds_bucket", family="story", le="0.5") == 1
    assert sample("lock_acquire_wait_seconds_bucket", family="story", le="0.2") == 0
    assert sample("lock_held_seconds_sum", family="story") - before == pytest.approx(1.5)


def test_every_way_a_section_can_go_wrong_has_its_own_outcome() -> None:
    metrics = LockMetrics()
    metrics.refused("wrong:1", BUSY, 0.1, 3)
    metrics.refused("wrong:1", QUORUM_LOST, 0.1, 0)
    metrics.in_trouble("wrong:1", LOST_WHILE_HELD)
    metrics.in_trouble("wrong:1", RELEASED_LATE)
    metrics.flush()
    for outcome in (BUSY, QUORUM_LOST, LOST_WHILE_HELD, RELEASED_LATE):
        assert sample("lock_outcomes_total", family="wrong", outcome=outcome) == 1


def test_what_somebody_is_called_for_is_written_at_once() -> None:
    LockMetrics().refused("urgent:1", QUORUM_LOST, 0.1, 0)
    assert sample("lock_outcomes_total", family="urgent", outcome=QUORUM_LOST) == 1


def test_rounds_and_nodes_are_counted_as_the_backend_tells_them() -> None:
    metrics = LockMetrics()
    before = sample("lock_second_rounds_total"), sample("lock_quorum_margin_count")
    granted = sample("lock_rounds_total", operation="acquire", outcome="granted")
    timed = sample("lock_round_seconds_count", operation="release")
    metrics.round_done("acquire", "granted", 0.0004, second_round=True, margin=1)
    metrics.round_done("extend", "granted", 0.0004, second_round=False, margin=2)
    metrics.round_done("handover", "granted", 0.0001, second_round=False, margin=0)
    metrics.round_done("release", "released", None, second_round=False, margin=0)
    metrics.node_answered("lock.example:1", 0.0002)
    metrics.node_failed("lock.example:1", "any text, as long as it likes")
    metrics.flush()
    assert sample("lock_second_rounds_total") == before[0] + 1
    assert sample("lock_quorum_margin_count") == before[1] + 2
    assert sample("lock_round_seconds_count", operation="release") == timed
    assert sample("lock_rounds_total", operation="acquire", outcome="granted") == granted + 1
    assert sample("lock_node_seconds_bucket", node="lock.example:1", le="0.0002") == 1
    assert sample("lock_node_failures_total", node="lock.example:1") == 1


def test_flushing_twice_counts_once() -> None:
    metrics = LockMetrics()
    metrics.acquired("twice:1", 0.1, 0)
    metrics.flush()
    metrics.flush()
    assert sample("lock_acquire_wait_seconds_count", family="twice") == 1


def test_counts_of_many_threads_all_arrive() -> None:
    metrics = LockMetrics()

    def work() -> None:
        for number in range(500):
            metrics.acquired("threads:1", 0.001, 0)
            metrics.ended("threads:1", 0.001)
            if number % 100 == 0:
                metrics.flush()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    metrics.flush()
    assert sample("lock_held_seconds_count", family="threads") == 2000
    assert sample("lock_outcomes_total", family="threads", outcome="granted") == 2000
    assert sample("lock_leases_held", family="threads") == 0
