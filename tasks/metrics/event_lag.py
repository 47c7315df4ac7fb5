"""How far a group of the event stream is behind, told by its consumers."""

from tasks.events.consumer import Lag
from tasks.metrics.meter import METER, Kind, Meter

# Consumers of a group share what waits for it, so the highest is the group's.
KINDS = (
    Kind("event_lag_events", "Events that wait for a group.", ("group",), live="max"),
    Kind("event_lag_seconds", "From an event to its handling, last seen.", ("group",), live="max"),
)
METER.declare(*KINDS)


class LagMetrics:
    """``EventConsumer(on_lag=…)`` for one group."""

    def __init__(self, group: str, meter: Meter = METER) -> None:
        self._group = group
        self._meter = meter

    def __call__(self, lag: Lag) -> None:
        if lag.events is not None:
            self._meter.set("event_lag_events", (self._group,), lag.events)
        self._meter.set("event_lag_seconds", (self._group,), lag.seconds)
