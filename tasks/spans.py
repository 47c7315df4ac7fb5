"""OpenTelemetry spans along the road of a message, when OTEL_EXPORTER_OTLP_ENDPOINT is set.

request → enqueue → publish → run → (call | enqueue → publish → run → …). Nothing but the trace id
and the message id travels with a message: whoever comes later works out the span before it from the
message id (``tasks.spans_otlp``). Without an endpoint each function here is one look at a setting,
and no package of OpenTelemetry is loaded.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

from celery.signals import worker_process_shutdown
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from tasks.delivery import Delivery
from tasks.models import OutboxMessage

if TYPE_CHECKING:
    from tasks.spans_otlp import Spans

# Shared, since it keeps nothing.
_NOTHING: AbstractContextManager[Any] = nullcontext()


def request_span(request: HttpRequest, trace_id: str) -> AbstractContextManager[Any]:
    """Around one request of the web."""
    spans = _spans()
    return spans.request(request, trace_id) if spans else _NOTHING


def enqueued(message: OutboxMessage) -> None:
    """A message was written into the outbox by the work at hand."""
    spans = _spans()
    if spans:
        spans.enqueued(message)


def published(messages: Iterable[OutboxMessage], began_at: float, ended_at: float) -> None:
    """These messages were confirmed by the broker. Times in seconds since 1970."""
    spans = _spans()
    if spans:
        for message in messages:
            spans.published(message, began_at, ended_at)


def run_span(delivery: Delivery) -> AbstractContextManager[Any]:
    """Around one run of a task."""
    spans = _spans()
    return spans.run(delivery) if spans else _NOTHING


def call_span(name: str, **attributes: str | int) -> AbstractContextManager[Any]:
    """Around a call to somebody else: the payment provider, the mail server."""
    spans = _spans()
    return spans.call(name, attributes) if spans else _NOTHING


def _spans() -> "Spans | None":
    endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT
    return _made(endpoint) if endpoint else None


@cache
def _made(endpoint: str) -> "Spans":
    try:
        from tasks.spans_otlp import Spans  # noqa: PLC0415  # loaded only where it is wanted
    except ImportError as error:
        raise ImproperlyConfigured(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed ({error}). "
            "Run 'pip install -r requirements-otel.txt', or leave the endpoint empty."
        ) from error
    return Spans(endpoint)


def forget() -> None:
    """Close what was made; the next span reads the settings again."""
    spans = _spans() if _made.cache_info().currsize else None
    _made.cache_clear()
    if spans:
        spans.close()


@worker_process_shutdown.connect(dispatch_uid="tasks.spans")
def send_the_rest(**_: Any) -> None:
    """A worker's child ends without Python's own farewells."""
    if _made.cache_info().currsize:
        spans = _spans()
        if spans:
            spans.flush()
