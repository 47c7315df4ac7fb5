"""Counting in memory, writing out in batches: cheap enough to stand beside every task.

A write into the metrics file of a process costs some microseconds, a count in memory a tenth of
that. So each process counts here, and a thread writes once a second; before a process ends the rest
is written too. A process that is killed loses what it had not written: at most the last second.
"""

import atexit
import logging
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction

from tasks.tally import Tally

logger = logging.getLogger(__name__)

_WRITE_EVERY_SECONDS = 1.0
# A thread without work looks up so often, and goes home after so many looks.
_IDLE_LOOKS = 30

Labels = tuple[str, ...]
Series = tuple[str, Labels]


@dataclass(frozen=True, slots=True)
class Kind:
    """A metric: its name (a counter's without ``_total``), what it tells, its labels.

    With ``bounds`` it is a histogram with these upper ends of buckets, rising. With ``live`` it is
    a gauge: ``sum`` adds up all processes that live, ``max`` takes the highest of them.
    """

    name: str
    text: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()
    live: str = ""


class Meter:
    """Counts for this process. Safe for threads; a forked child begins with nothing counted.

    ``registry`` is where prometheus_client keeps what was written; None is its own default.
    """

    def __init__(self, registry: Any = None) -> None:
        self._registry = registry
        self._kinds: dict[str, Kind] = {}
        self._written: dict[Series, Any] = {}
        self._parents: dict[str, Any] = {}
        self._flushing = threading.Lock()
        self.start_afresh()

    def start_afresh(self) -> None:
        """Forget what is counted and not written: in a child it is the parent's to write."""
        self._lock = threading.Lock()
        self._counts: dict[Series, float] = {}
        self._tallies: dict[Series, Tally] = {}
        self._levels: dict[Series, float] = {}
        self._thread: threading.Thread | None = None
        self._stirred = False

    def declare(self, *kinds: Kind) -> None:
        """Make metrics known before they are counted. A name may be declared once."""
        for kind in kinds:
            if self._kinds.setdefault(kind.name, kind) != kind:
                raise ValueError(f"There is another metric named {kind.name}. Choose another name.")

    def count(self, name: str, labels: Labels = (), number: float = 1) -> None:
        """Raises KeyError for a name that nobody declared."""
        with self._lock:
            self._add((name, labels), number)
            self._stir()

    def observe(self, name: str, labels: Labels, value: float) -> None:
        """Add one value to a histogram. Raises KeyError as ``count``."""
        with self._lock:
            self._tally((name, labels)).add(value)
            self._stir()

    def record(self, counted: Series, observed: Iterable[tuple[Series, float]]) -> None:
        """One count and some values of histograms at once, for what happens at every task."""
        with self._lock:
            self._add(counted, 1)
            for series, value in observed:
                self._tally(series).add(value)
            self._stir()

    def set(self, name: str, labels: Labels, value: float) -> None:
        """Say where a gauge stands now. Raises KeyError as ``count``."""
        with self._lock:
            _ = self._kinds[name]
            self._levels[name, labels] = value
            self._stir()

    def count_on_commit(self, name: str, labels: Labels = ()) -> None:
        """Count what the transaction at hand does, once it is certain. Failing to count is no
        reason to fail."""
        transaction.on_commit(partial(self.count, name, labels), robust=True)

    def flush(self) -> None:
        """Write what was counted since the last time. Never raises: counting is not the work."""
        with self._flushing:
            with self._lock:
                counts, self._counts = self._counts, {}
                taken = [(series, *tally.take()) for series, tally in self._tallies.items()]
                levels, self._levels = self._levels, {}
                self._stirred = False
            try:
                for series, number in counts.items():
                    self._child(series).inc(number)
                for series, buckets, total in taken:
                    add_to_histogram(self._child(series), buckets, total)
                for series, level in levels.items():
                    self._child(series).set(level)
            except Exception:  # a folder that is full or gone
                logger.exception("metrics could not be written")

    def _add(self, series: Series, number: float) -> None:
        before = self._counts.get(series)
        if before is None:
            _ = self._kinds[series[0]]
            before = 0
        self._counts[series] = before + number

    def _tally(self, series: Series) -> Tally:
        tally = self._tallies.get(series)
        if tally is None:
            tally = self._tallies[series] = Tally(self._kinds[series[0]].bounds)
        return tally

    def _stir(self) -> None:
        """See to it that somebody writes this down soon."""
        self._stirred = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        idle_looks = 0
        while not self._done(idle_looks):
            time.sleep(_WRITE_EVERY_SECONDS)
            idle_looks = 0 if self._stirred else idle_looks + 1
            if self._stirred:
                self.flush()

    def _done(self, idle_looks: int) -> bool:
        with self._lock:
            if idle_looks < _IDLE_LOOKS or self._stirred:
                return False
            # Under the lock, so that a count made now starts a new thread.
            self._thread = None
            return True

    def _child(self, series: Series) -> Any:
        child = self._written.get(series)
        if child is None:
            name, labels = series
            if name not in self._parents:
                self._parents[name] = _parent(self._kinds[name], self._registry)
            parent = self._parents[name]
            child = self._written[series] = parent.labels(*labels) if labels else parent
        return child


def add_to_histogram(child: Any, buckets: list[int], total: float) -> None:
    """Many observations at once, for which prometheus_client has no public call."""
    if not any(buckets):
        return
    child._sum.inc(total)
    for bucket, number in zip(child._buckets, buckets, strict=True):
        if number:
            bucket.inc(number)


def _parent(kind: Kind, registry: Any) -> Any:
    """Made by the first write, so that a process that counts nothing leaves no file."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    # It looks at the variable when it is imported, and opens its files when metrics are made.
    import prometheus_client as client  # noqa: PLC0415

    options: dict[str, Any] = {"registry": client.REGISTRY if registry is None else registry}
    if kind.bounds:
        return client.Histogram(kind.name, kind.text, kind.labels, buckets=kind.bounds, **options)
    if kind.live:
        options["multiprocess_mode"] = f"live{kind.live}"
        return client.Gauge(kind.name, kind.text, kind.labels, **options)
    return client.Counter(kind.name, kind.text, kind.labels, **options)


METER = Meter()


# A fork in the middle of a flush would copy prometheus_client's lock in a hand that the child does
# not have. Nothing else is ever waited for under ``_flushing``.
def _after_in_child() -> None:
    METER.start_afresh()
    METER._flushing.release()


os.register_at_fork(
    before=METER._flushing.acquire,
    after_in_parent=METER._flushing.release,
    after_in_child=_after_in_child,
)
atexit.register(METER.flush)
