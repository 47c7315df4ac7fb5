"""A consumer's lag, as numbers."""

from prometheus_client import CollectorRegistry

from tasks.events.consumer import Lag
from tasks.metrics.event_lag import KINDS, LagMetrics
from tasks.metrics.meter import Meter


def test_the_lag_of_a_group_is_told_and_what_the_sink_cannot_tell_is_left_out() -> None:
    registry = CollectorRegistry()
    meter = Meter(registry)
    meter.declare(*KINDS)

    LagMetrics("sales", meter)(Lag(events=7, seconds=1.5))
    LagMetrics("ledger", meter)(Lag(events=None, seconds=0.5))
    meter.flush()

    def value(name: str, group: str) -> float | None:
        return registry.get_sample_value(name, {"group": group})

    assert value("event_lag_events", "sales") == 7
    assert value("event_lag_seconds", "sales") == 1.5
    assert value("event_lag_events", "ledger") is None
    assert value("event_lag_seconds", "ledger") == 0.5
