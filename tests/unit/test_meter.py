"""Counting in memory: exact over threads, written once, cheap."""

import threading
import time

import pytest
from prometheus_client import CollectorRegistry

from tasks.metrics.meter import Kind, Meter
from tests.contract.waiting import wait_until

# The same file holds the numbers of all registries of a process where PROMETHEUS_MULTIPROC_DIR is
# set, so each test counts for somebody else.
KINDS = (
    Kind("told", "A counter.", ("who",)),
    Kind("took_seconds", "A histogram.", ("who",), (1, 2)),
    Kind("level", "A gauge.", live="max"),
)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def meter(registry: CollectorRegistry) -> Meter:
    meter = Meter(registry)
    meter.declare(*KINDS)
    return meter


def sample(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0.0


def test_counters_histograms_and_gauges_arrive_as_they_were_counted(
    meter: Meter, registry: CollectorRegistry
) -> None:
    meter.count("told", ("alice",))
    meter.count("told", ("alice",), 2)
    for value in (0.5, 1.5, 9):
        meter.observe("took_seconds", ("alice",), value)
    meter.set("level", (), 7)
    meter.flush()
    meter.flush()
    assert sample(registry, "told_total", who="alice") == 3
    assert sample(registry, "took_seconds_count", who="alice") == 3
    assert sample(registry, "took_seconds_bucket", who="alice", le="2.0") == 2
    assert sample(registry, "took_seconds_sum", who="alice") == 11
    assert sample(registry, "level") == 7


def test_what_is_counted_is_written_without_being_asked_to(
    meter: Meter, registry: CollectorRegistry
) -> None:
    meter.count("told", ("bob",))
    wait_until(lambda: sample(registry, "told_total", who="bob") == 1)


def test_counts_of_many_threads_all_arrive(meter: Meter, registry: CollectorRegistry) -> None:
    def work() -> None:
        for number in range(2_000):
            meter.count("told", ("crowd",))
            meter.observe("took_seconds", ("crowd",), 1)
            if number % 300 == 0:
                meter.flush()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    meter.flush()
    assert sample(registry, "told_total", who="crowd") == 8_000
    assert sample(registry, "took_seconds_count", who="crowd") == 8_000


def test_a_name_means_one_thing() -> None:
    meter = Meter(CollectorRegistry())
    meter.declare(*KINDS)
    meter.declare(*KINDS)
    with pytest.raises(ValueError, match="told"):
        meter.declare(Kind("told", "Something else."))


def test_a_folder_that_cannot_be_written_fails_no_task(
    meter: Meter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/proc/no/such/folder")
    meter.count("told", ("eve",))
    meter.flush()
    assert "metrics could not be written" in caplog.text


def test_counting_costs_less_than_writing(meter: Meter) -> None:
    """Not a benchmark: a bound that only a write per count would break."""
    meter.count("told", ("warm",))
    began = time.perf_counter()
    for _ in range(20_000):
        meter.count("told", ("warm",))
    assert (time.perf_counter() - began) / 20_000 < 20e-6
