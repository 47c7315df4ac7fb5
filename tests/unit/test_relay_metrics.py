"""What the relay tells, as numbers."""

from prometheus_client import CollectorRegistry

from tasks.metrics.meter import Meter
from tasks.metrics.relay import KINDS, RelayMetrics


def test_batches_refusals_and_blocking_are_counted() -> None:
    registry = CollectorRegistry()
    meter = Meter(registry)
    meter.declare(*KINDS)
    relay = RelayMetrics(meter)
    value = registry.get_sample_value

    relay.batch(claimed=200, published=199, confirm_seconds=0.03)
    relay.batch(claimed=0, published=0, confirm_seconds=0.0)
    relay.refused("no queue takes it: orders.payment")
    relay.blocked(True)
    meter.flush()

    assert value("relay_batch_messages_sum") == 200
    assert value("relay_batch_messages_count") == 1
    assert value("relay_published_total") == 199
    assert value("relay_confirm_seconds_bucket", {"le": "0.05"}) == 1
    assert value("relay_refused_total", {"reason": "no queue takes it"}) == 1
    assert value("relay_blocked") == 1
    relay.blocked(False)
    assert value("relay_blocked") == 0


def test_reasons_without_end_do_not_make_series_without_end() -> None:
    registry = CollectorRegistry()
    meter = Meter(registry)
    meter.declare(*KINDS)
    relay = RelayMetrics(meter)
    for number in range(1_000):
        relay.refused(f"error {number}")
    meter.flush()
    (family,) = (family for family in registry.collect() if family.name == "relay_refused")
    totals = [sample for sample in family.samples if sample.name == "relay_refused_total"]
    assert len(totals) <= 11
    assert sum(sample.value for sample in totals) == 1_000
