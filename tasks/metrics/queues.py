"""How full the broker's queues are, from RabbitMQ's management API.

Asked at most every few seconds and for a second at most. While the API is away the gauges are
absent, which an alert can tell from zero. The API itself is some seconds behind.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from django.conf import settings
from prometheus_client.metrics_core import Metric

from tasks import topology
from tasks.broker import management
from tasks.metrics.sources import gauge, register

_KEEP_SECONDS = 5.0
_TIMEOUT_SECONDS = 1.0
_COLUMNS = (
    *("name", "messages_ready", "messages_unacknowledged", "consumers", "head_message_timestamp"),
    *("message_stats.publish_details.rate", "message_stats.ack_details.rate"),
)

Row = dict[str, Any]


class Queues:
    """The last answer of the API, kept for a while; a failure is kept as long."""

    def __init__(self, ask: Callable[[], list[Row]]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._rows: list[Row] | None = None
        self._asked_at = float("-inf")

    def collect(self) -> Iterable[Metric]:
        """Raises what the API raised."""
        return families(self._fresh(), time.time())

    def _fresh(self) -> list[Row]:
        with self._lock:
            if time.monotonic() - self._asked_at > _KEEP_SECONDS:
                self._rows = None
                try:
                    self._rows = self._ask()
                finally:
                    self._asked_at = time.monotonic()
            if self._rows is None:
                raise ConnectionError("the management API was away a moment ago")
            return self._rows


def families(rows: Iterable[Row], now: float) -> list[Metric]:
    """The API's rows as gauges. Pure. Queues that are not ours are left out."""
    ours = {*topology.queue_names(), *map(topology.dead_queue_name, topology.queue_names())}
    depth: dict[tuple[str, ...], float] = {}
    consumers: dict[tuple[str, ...], float] = {}
    rates: dict[str, dict[tuple[str, ...], float]] = {"publish": {}, "ack": {}}
    oldest: dict[tuple[str, ...], float] = {}
    for row in rows:
        name = str(row["name"])
        if name not in ours:
            continue
        depth[name, "ready"] = row.get("messages_ready", 0)
        depth[name, "unacked"] = row.get("messages_unacknowledged", 0)
        consumers[name,] = row.get("consumers", 0)
        for what, values in rates.items():
            # Absent until the first message ever.
            stats = row.get("message_stats", {}).get(f"{what}_details", {})
            values[name,] = stats.get("rate", 0.0)
        head = row.get("head_message_timestamp")
        if isinstance(head, int | float) and head > 0:
            oldest[name,] = max(0.0, now - head)
    return [
        gauge("queue_messages", "Messages in a queue by state.", ("queue", "state"), depth),
        gauge("queue_consumers", "Workers that consume from a queue.", ("queue",), consumers),
        gauge(
            "queue_publish_rate", "Messages into a queue per second.", ("queue",), rates["publish"]
        ),
        gauge("queue_consume_rate", "Messages done with per second.", ("queue",), rates["ack"]),
        gauge(
            "queue_oldest_seconds",
            "Age of the oldest message, where the broker knows it.",
            ("queue",),
            oldest,
        ),
    ]


def ask_broker() -> list[Row]:
    """Raises tasks.broker.BrokerUnavailable."""
    vhost = unquote(urlsplit(settings.BROKER_URL).path.lstrip("/")) or "/"
    path = f"queues/{quote(vhost, safe='')}?columns={','.join(_COLUMNS)}"
    rows: list[Row] = management("GET", path, timeout_seconds=_TIMEOUT_SECONDS)
    return rows


register("queues", Queues(ask_broker).collect, reads_database=False)
