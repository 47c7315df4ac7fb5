"""What the relay tells about its work (``tasks.relay_observer.RelayObserver``), as metrics."""

from tasks.metrics.meter import METER, Kind, Meter
from tasks.tally import Families

_BATCH = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_CONFIRM = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_MOST_REASONS = 10

KINDS = (
    Kind("relay_batch_messages", "Messages claimed by one round of the relay.", (), _BATCH),
    Kind("relay_confirm_seconds", "A batch, first send to last confirm.", (), _CONFIRM),
    Kind("relay_published", "Messages that the broker confirmed."),
    Kind("relay_refused", "Messages that the broker did not take, by reason.", ("reason",)),
    Kind("relay_blocked", "1 while RabbitMQ lets nobody publish (memory or disk).", live="max"),
)
METER.declare(*KINDS)


class RelayMetrics:
    """A ``RelayObserver`` that counts. One per relay; safe for threads."""

    def __init__(self, meter: Meter = METER) -> None:
        self._meter = meter
        # A reason quotes the broker; as a label it needs a bound.
        self._reasons = Families(_MOST_REASONS)
        self._blocked: bool | None = None

    def batch(self, claimed: int, published: int, confirm_seconds: float) -> None:
        if not claimed:
            return
        self._meter.observe("relay_batch_messages", (), claimed)
        self._meter.observe("relay_confirm_seconds", (), confirm_seconds)
        if published:
            self._meter.count("relay_published", (), published)

    def refused(self, reason: str) -> None:
        self._meter.count("relay_refused", (self._reasons.of(reason),))

    def blocked(self, is_blocked: bool) -> None:
        if is_blocked != self._blocked:
            self._blocked = is_blocked
            self._meter.set("relay_blocked", (), float(is_blocked))
            self._meter.flush()
