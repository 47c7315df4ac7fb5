"""The numbers of all processes of one machine: written by each into a folder, added up here."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import prometheus_client
from celery.signals import worker_process_shutdown
from django.conf import settings
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from tasks.locks.metrics import METRICS
from tasks.metrics.meter import METER


def write_out() -> None:
    """Write what this process has counted, now."""
    METRICS.flush()
    METER.flush()


def counted_by_all() -> "_AllProcesses | _ThisProcess":
    """What has been counted, as a collector of prometheus_client."""
    folder = _folder()
    if folder is None:
        return _ThisProcess()
    forget_dead_processes(folder)
    return _AllProcesses(str(folder))


class _ThisProcess:
    def collect(self) -> Iterator[Metric]:
        return iter(prometheus_client.REGISTRY.collect())


class _AllProcesses:
    """Flower writes into the same folder, and has a page for that of its own."""

    def __init__(self, folder: str) -> None:
        self._collector: Any = MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]

    def collect(self) -> Iterator[Metric]:
        return (m for m in self._collector.collect() if not m.name.startswith("flower_"))


def forget_dead_processes(folder: Path) -> None:
    """Take what processes hold *now* out of the sum, for those that were killed without a word.

    Their counters stay: what was counted has happened.
    """
    for file in folder.glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdigit() and not _lives(int(pid)):
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


@worker_process_shutdown.connect(dispatch_uid="tasks.metrics")
def say_goodbye(pid: int = 0, **_: Any) -> None:
    """A worker's child ends without Python's own farewells, so it writes its numbers here."""
    write_out()
    folder = _folder()
    if folder is not None:
        mark_process_dead(pid or os.getpid(), str(folder))  # type: ignore[no-untyped-call]


def _folder() -> Path | None:
    if not settings.PROMETHEUS_MULTIPROC_DIR:
        return None
    folder = Path(settings.PROMETHEUS_MULTIPROC_DIR)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _lives(pid: int) -> bool:
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
