"""``/metrics``: what all processes of this machine have counted, for Prometheus to collect."""

import secrets

import prometheus_client
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from tasks.metrics import (  # each declares or registers what it has to tell
    event_lag,  # noqa: F401
    platform,  # noqa: F401
    queues,  # noqa: F401
    relay,  # noqa: F401
    runs,  # noqa: F401
)
from tasks.metrics.processes import counted_by_all, write_out
from tasks.metrics.sources import Sources

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
    write_out()
    registry = prometheus_client.CollectorRegistry()
    registry.register(counted_by_all())
    registry.register(Sources())
    body = prometheus_client.generate_latest(registry)
    return HttpResponse(body, content_type=prometheus_client.CONTENT_TYPE_LATEST)


def _may_look(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").encode()
        return secrets.compare_digest(given, f"Bearer {settings.METRICS_TOKEN}".encode())
    forwarded = any(request.META.get(name) for name in _FORWARDED)
    return request.META.get("REMOTE_ADDR") in _LOOPBACK and not forwarded
