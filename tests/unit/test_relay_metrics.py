"""What the relay tells, as numbers."""

from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from tasks.metrics.meter import Meter
from tasks.metrics.relay import KINDS, RelayMetrics


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def meter(registry: CollectorRegistry) -> Meter:
    meter = Meter(registry)
    meter.declare(*KINDS)
    return meter


def test_batches_refusals_and_blocking_are_counted(
    meter: Meter, registry: CollectorRegistry
) -> None:
    relay = RelayMetrics(meter)

    def value(name: str, **labels: str) -> float:
        meter.flush()
        return registry.get_sample_value(name, labels) or 0.0

    def now() -> list[float]:
        return [
            value("relay_batch_messages_sum"),
            value("relay_batch_messages_count"),
            value("relay_published_total"),
            value("relay_confirm_seconds_count"),
            value("relay_refused_total", reason="QueueFull"),
        ]

    relay.batch(claimed=1, published=1, confirm_seconds=0.03)
    relay.refused("QueueFull")
    before = now()
    relay.batch(claimed=200, published=199, confirm_seconds=0.03)
    relay.refused("QueueFull")
    assert [after - first for after, first in zip(now(), before, strict=True)] == [
        *(200, 1, 199, 1),
        1,
    ]
    relay.blocked(True)
    assert value("relay_blocked") == 1
    relay.blocked(False)
    assert value("relay_blocked") == 0


def test_reasons_without_end_do_not_make_series_without_end(
    meter: Meter, registry: CollectorRegistry
) -> None:
    relay = RelayMetrics(meter)
    run = uuid4().hex
    for number in range(1_000):
        relay.refused(f"{run} {number}")
    meter.flush()
    (family,) = (family for family in registry.collect() if family.name == "relay_refused")
    totals = [sample for sample in family.samples if sample.name == "relay_refused_total"]
    assert len([sample for sample in totals if sample.labels["reason"].startswith(run)]) == 10
    assert len(totals) <= 11
