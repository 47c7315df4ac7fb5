"""What is now: gauges that their owner works out when the page is drawn.

An owner registers once, when its application is loaded::

    register("breakers", lambda: [gauge("breaker_open", "…", ("operation",), {("capture",): 1})])

A source that fails is left out of the page and shows as ``metrics_source_up 0``; the others stay.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import structlog
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, connection, transaction
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

log = structlog.get_logger(__name__)

# A page that waits for a sick database tells nothing about the healthy rest.
_DATABASE_MILLISECONDS = 2_000

Source = Callable[[], Iterable[Metric]]
_sources: dict[str, Source] = {}


def register(name: str, source: Source, *, reads_database: bool = True) -> None:
    """Ask ``source`` for its gauges whenever the page is drawn. The same name again replaces it.

    With ``reads_database`` it runs inside a transaction whose statements end after two seconds;
    without, it must bound its own time.
    """
    _sources[name] = _bounded(source) if reads_database else source


def gauge(
    name: str, text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> Metric:
    """One gauge with a value for each tuple of label values; ``()`` when it has no labels."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family


class Sources:
    """All that is registered, as a collector of prometheus_client."""

    def collect(self) -> Iterator[Metric]:
        up: dict[tuple[str, ...], float] = {}
        seconds: dict[tuple[str, ...], float] = {}
        for name, source in list(_sources.items()):
            began = time.perf_counter()
            try:
                yield from list(source())
                up[name,] = 1
            except Exception as error:  # noqa: BLE001  # one sick source must not hide all the others
                up[name,] = 0
                log.warning("metrics_source_failed", source=name, error=str(error))
                if isinstance(error, DatabaseTrouble):
                    close_old_connections()
            seconds[name,] = time.perf_counter() - began
        yield gauge("metrics_source_up", "Whether a source of gauges answered.", ("source",), up)
        yield gauge(
            "metrics_source_seconds", "How long a source of gauges took.", ("source",), seconds
        )


def _bounded(source: Source) -> Source:
    def ask() -> Iterable[Metric]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {_DATABASE_MILLISECONDS}")
            return list(source())

    return ask
