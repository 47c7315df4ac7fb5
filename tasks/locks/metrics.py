"""What happens to locks, as Prometheus metrics that add up over all processes of a machine.

Counted in memory (``tally``) and written out by ``flush``: every second by the renewal thread,
every few hundred rounds, before a process ends, and at once for what somebody should be called for.
With PROMETHEUS_MULTIPROC_DIR set the numbers of all processes meet in that folder.
"""

import atexit
import os
import threading
from collections import Counter, deque
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar

from tasks.tally import Families, Tally

GRANTED = "granted"
BUSY = "busy"
QUORUM_LOST = "quorum_lost"
LOST_WHILE_HELD = "lost_while_held"
RELEASED_LATE = "released_late"
_GRANTING = frozenset({"acquire", "handover"})
_ALARMS = frozenset({QUORUM_LOST, LOST_WHILE_HELD})

_MOST_FAMILIES = 20
_ROUNDS_PER_FLUSH = 512
_SECTION = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 600)
_ROUND = (0.0001, 0.0002, 0.0003, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1)
_MARGIN = (0, 1, 2, 3)

_HISTOGRAMS: dict[str, tuple[str, tuple[str, ...], tuple[float, ...]]] = {
    "lock_acquire_wait_seconds": (
        "From asking for a lease to having it or giving up.", ("family",), _SECTION),
    "lock_held_seconds": ("How long sections held their lease.", ("family",), _SECTION),
    "lock_round_seconds": ("One question to all nodes until it was decided.",
                           ("operation",), _ROUND),
    "lock_quorum_margin": ("Grants beyond the quorum when a lease was granted.", (), _MARGIN),
    "lock_node_seconds": ("A lock node's time to answer.", ("node",), _ROUND),
}  # fmt: skip
_COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "lock_outcomes": (
        "Sections by how they got on: granted, busy, quorum_lost; then lost_while_held or "
        "released_late for those that did not end under their lease.", ("family", "outcome")),
    "lock_acquire_retries": ("Further attempts while waiting for a lease.", ("family",)),
    "lock_rounds": ("Questions to the nodes by what came out.", ("operation", "outcome")),
    "lock_second_rounds": ("Acquires whose nodes had to be brought to one number first.", ()),
    "lock_node_failures": ("Requests that a node did not answer as it should.", ("node",)),
    "lock_fallbacks": ("Leases that the fallback gave because the quorum was away.", ("family",)),
}  # fmt: skip

Series = tuple[str, tuple[str, ...]]


class LockMetrics:
    """Counts for this process. Safe for threads; a forked child begins with nothing counted.

    It is the ``LockObserver`` of the process's backend; the guard reports sections by itself.
    """

    def __init__(self) -> None:
        self.families = Families(_MOST_FAMILIES)
        self._flushing = threading.Lock()
        self._held: Counter[str] = Counter()
        self.start_afresh()

    def start_afresh(self) -> None:
        """Forget what is counted and not written: in a child it is the parent's to write."""
        self._lock = threading.Lock()
        self._tallies: dict[Series, Tally] = {}
        self._counts: Counter[Series] = Counter()
        self._rounds: deque[tuple[str, str, float | None, bool, int]] = deque()
        self._answers: deque[tuple[str, float]] = deque()
        self._begun: deque[tuple[str, str, float, int]] = deque()
        self._ended: deque[tuple[str, float]] = deque()
        self._held = Counter(dict.fromkeys(self._held, 0))

    # What happens in every section is only noted, and sorted into buckets when it is written out.
    # A deque may be filled and emptied by any threads at once.

    # -- sections, reported by the guard ---------------------------------------

    def acquired(self, key: str, waited: float, retries: int) -> None:
        """A section got its lease after ``waited`` seconds and so many attempts in vain."""
        self._begun.append((key, GRANTED, waited, retries))

    def refused(self, key: str, outcome: str, waited: float, retries: int) -> None:
        """A section did not get its lease: BUSY or QUORUM_LOST."""
        self._begun.append((key, outcome, waited, retries))
        if outcome in _ALARMS:
            self.flush()

    def ended(self, key: str, held: float) -> None:
        """A section ended after ``held`` seconds."""
        self._ended.append((key, held))

    def in_trouble(self, key: str, trouble: str) -> None:
        """It did not end under its lease: LOST_WHILE_HELD or RELEASED_LATE."""
        with self._lock:
            self._counts["lock_outcomes", (self.families.of(key), trouble)] += 1
        if trouble in _ALARMS:
            self.flush()

    def fell_back(self, key: str) -> None:
        """The quorum was away, and the fallback gave the lease of ``key``."""
        with self._lock:
            self._counts["lock_fallbacks", (self.families.of(key),)] += 1
        self.flush()

    # -- rounds and nodes, reported by the backend -----------------------------

    def round_done(
        self,
        operation: str,
        outcome: str,
        seconds: float | None,
        *,
        second_round: bool,
        margin: int,
    ) -> None:
        self._rounds.append((operation, outcome, seconds, second_round, margin))
        if len(self._rounds) >= _ROUNDS_PER_FLUSH:
            self.flush()

    def node_answered(self, node: str, seconds: float) -> None:
        self._answers.append((node, seconds))

    def node_failed(self, node: str, reason: str) -> None:
        """``reason`` is in the log; as a label it would have no bound."""
        with self._lock:
            self._counts["lock_node_failures", (node,)] += 1

    # -- writing out -------------------------------------------------------------

    def flush(self) -> None:
        """Add what was counted since the last time to the process's metrics."""
        with self._flushing:
            with self._lock:
                self._sort()
                counts, self._counts = self._counts, Counter()
                taken = [(series, *tally.take()) for series, tally in self._tallies.items()]
                held = dict(self._held)
            for (name, labels), number in counts.items():
                if number:
                    _child(name, labels).inc(number)
            for (name, labels), buckets, total in taken:
                _add_to_histogram(_child(name, labels), buckets, total)
            for family, number in held.items():
                _child("lock_leases_held", (family,)).set(number)

    def _sort(self) -> None:
        """What was only noted so far. Under the lock."""
        for node, answered_after in _emptied(self._answers):
            self._tally("lock_node_seconds", node).add(answered_after)
        for operation, outcome, seconds, second_round, margin in _emptied(self._rounds):
            if seconds is not None:
                self._tally("lock_round_seconds", operation).add(seconds)
            self._counts["lock_rounds", (operation, outcome)] += 1
            if second_round:
                self._counts["lock_second_rounds", ()] += 1
            if outcome == GRANTED and operation in _GRANTING:
                self._tally("lock_quorum_margin").add(margin)
        for key, outcome, waited, retries in _emptied(self._begun):
            family = self.families.of(key)
            self._tally("lock_acquire_wait_seconds", family).add(waited)
            self._counts["lock_outcomes", (family, outcome)] += 1
            self._counts["lock_acquire_retries", (family,)] += retries
            self._held[family] += outcome == GRANTED
        for key, held in _emptied(self._ended):
            family = self.families.of(key)
            self._tally("lock_held_seconds", family).add(held)
            self._held[family] -= 1

    def _tally(self, name: str, *labels: str) -> Tally:
        series = name, labels
        tally = self._tallies.get(series)
        if tally is None:
            tally = self._tallies[series] = Tally(_HISTOGRAMS[name][2])
        return tally


Noted = TypeVar("Noted")


def _emptied(noted: deque[Noted]) -> Iterator[Noted]:
    """What is in there now; others may go on adding for ever."""
    for _ in range(len(noted)):
        yield noted.popleft()


def _add_to_histogram(child: Any, buckets: list[int], total: float) -> None:
    """Many observations at once, for which prometheus_client has no public call."""
    if not any(buckets):
        return
    child._sum.inc(total)
    for bucket, number in zip(child._buckets, buckets, strict=True):
        if number:
            bucket.inc(number)


@cache
def _child(name: str, labels: tuple[str, ...]) -> Any:
    parent = _parents()[name]
    return parent.labels(*labels) if labels else parent


@cache
def _parents() -> dict[str, Any]:
    """Made by the first flush, so that a process without locks leaves no file in the folder."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    # It looks at the variable when it is imported, and opens its files when metrics are made.
    from prometheus_client import Counter as Total  # noqa: PLC0415
    from prometheus_client import Gauge, Histogram  # noqa: PLC0415

    return {
        **{
            name: Histogram(name, text, labels, buckets=bounds)
            for name, (text, labels, bounds) in _HISTOGRAMS.items()
        },
        **{name: Total(name, text, labels) for name, (text, labels) in _COUNTERS.items()},
        "lock_leases_held": Gauge(
            "lock_leases_held",
            "Leases held now, by processes that live.",
            ("family",),
            multiprocess_mode="livesum",
        ),
    }


METRICS = LockMetrics()


# A fork in the middle of a flush would copy prometheus_client's lock in a hand that the child does
# not have. Nothing else is ever waited for under ``_flushing``.
def _after_in_child() -> None:
    METRICS.start_afresh()
    METRICS._flushing.release()


os.register_at_fork(
    before=METRICS._flushing.acquire,
    after_in_parent=METRICS._flushing.release,
    after_in_child=_after_in_child,
)
atexit.register(METRICS.flush)
