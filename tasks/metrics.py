"""``/metrics``: what all processes of this machine have counted, for Prometheus to collect."""

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import prometheus_client
from celery.signals import worker_process_shutdown
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from tasks.locks.metrics import METRICS

_LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")
_REFUSED = (
    "Metrics are not for everybody. Send 'Authorization: Bearer …' with METRICS_TOKEN, or, when "
    "that is not set, ask from this machine without a proxy in between.\n"
)


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The metrics in Prometheus's text format; 403 for strangers.

    They tell how much the shop sells and which servers it has. With METRICS_TOKEN set the token
    opens them from anywhere. Without one only this machine may look, and not through a proxy: from
    a proxy on this machine every visitor seems to be local.
    """
    if not _may_look(request):
        return HttpResponse(_REFUSED, status=403, content_type="text/plain; charset=utf-8")
    METRICS.flush()
    body = prometheus_client.generate_latest(_registry())
    return HttpResponse(body, content_type=prometheus_client.CONTENT_TYPE_LATEST)


def _may_look(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").encode()
        return secrets.compare_digest(given, f"Bearer {settings.METRICS_TOKEN}".encode())
    forwarded = any(request.META.get(name) for name in _FORWARDED)
    return request.META.get("REMOTE_ADDR") in _LOOPBACK and not forwarded


def _registry() -> Any:
    folder = _folder()
    if folder is None:
        return prometheus_client.REGISTRY
    forget_dead_processes(folder)
    registry = prometheus_client.CollectorRegistry()
    registry.register(_AllProcesses(str(folder)))
    return registry


class _AllProcesses:
    """Flower writes into the same folder, and has a page for that of its own."""

    def __init__(self, folder: str) -> None:
        self._collector: Any = MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]

    def collect(self) -> Iterator[Any]:
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
    METRICS.flush()
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
