"""The spans themselves, sent by OTLP over HTTP. Imported only by ``tasks.spans``.

The ids of the spans that stand between two processes are hashes of the message id, so each side
names the same span without telling the other, and the outbox needs no further column.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from celery import current_app
from django.db import transaction
from django.http import HttpRequest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind

from tasks.delivery import Delivery
from tasks.models import OutboxMessage

_HEX_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
# Per request, its repeats included. A worker's child that ends waits for no collector much longer.
_TIMEOUT_SECONDS = 2
_SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)

_next_trace_id: ContextVar[int] = ContextVar("next_trace_id", default=0)
_next_span_id: ContextVar[int] = ContextVar("next_span_id", default=0)


class _GivenIds(RandomIdGenerator):
    """Random ids, except where the next one was given."""

    def generate_trace_id(self) -> int:
        given = _next_trace_id.get()
        _next_trace_id.set(0)
        return given or super().generate_trace_id()

    def generate_span_id(self) -> int:
        given = _next_span_id.get()
        _next_span_id.set(0)
        return given or super().generate_span_id()


class Spans:
    """One per process. A collector that is away costs spans, never work: they wait in a bounded
    queue and are dropped."""

    def __init__(self, endpoint: str) -> None:
        name = os.environ.get("OTEL_SERVICE_NAME") or current_app.main or "django"
        resource = Resource.create({SERVICE_NAME: name})
        self._provider = TracerProvider(resource=resource, id_generator=_GivenIds())
        exporter = OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_TIMEOUT_SECONDS
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("tasks")

    @contextmanager
    def request(self, request: HttpRequest, trace_id: str) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            f"{request.method} {request.path}",
            context=_remote_parent(request) or self._root(trace_id),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": request.method or "", "trace_id": trace_id},
        ):
            yield

    def enqueued(self, message: OutboxMessage) -> None:
        """Told once it is certain: a message that is rolled back was never there."""
        here = trace.get_current_span()
        same = here.get_span_context().trace_id == as_trace_id(message.trace_id)

        def tell() -> None:
            # A redrive is a request of its own about a message of another trace.
            context = trace.set_span_in_context(here) if same else self._root(message.trace_id)
            _next_span_id.set(_id("enqueue", str(message.pk)))
            self._tracer.start_span(
                f"enqueue {message.task}",
                context=context,
                attributes=_about(message.trace_id, message.subject, str(message.pk)),
            ).end()

        transaction.on_commit(tell, robust=True)

    def published(self, message: OutboxMessage, began_at: float, ended_at: float) -> None:
        message_id = str(message.pk)
        parent = _remote(message.trace_id, _id("enqueue", message_id))
        _next_span_id.set(_id("publish", message_id))
        self._tracer.start_span(
            f"publish {message.task}",
            context=parent,
            kind=SpanKind.PRODUCER,
            attributes=_about(message.trace_id, message.subject, message_id),
            start_time=int(began_at * 1e9),
        ).end(int(ended_at * 1e9))

    @contextmanager
    def run(self, delivery: Delivery) -> Iterator[None]:
        about = _about(delivery.trace_id, delivery.subject, delivery.message_id)
        with self._tracer.start_as_current_span(
            f"run {delivery.task}",
            context=_remote(delivery.trace_id, _id("publish", delivery.message_id)),
            kind=SpanKind.CONSUMER,
            attributes={**about, "attempt": delivery.attempt},
        ):
            yield

    @contextmanager
    def call(self, name: str, attributes: Mapping[str, str | int]) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            name, kind=SpanKind.CLIENT, attributes=dict(attributes)
        ):
            yield

    def flush(self) -> None:
        self._provider.force_flush(_TIMEOUT_SECONDS * 1_000)

    def close(self) -> None:
        self._provider.shutdown()

    @staticmethod
    def _root(trace_id: str) -> Context:
        """No span before this one; the next trace begins under the id that our logs have."""
        _next_trace_id.set(as_trace_id(trace_id))
        return Context()


def as_trace_id(text: str) -> int:
    """Our trace ids are 32 hex digits; one that a proxy gave may be anything, and is hashed."""
    if _HEX_TRACE_ID.fullmatch(text) and int(text, 16):
        return int(text, 16)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16])


def _id(what: str, message_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{what}:{message_id}".encode()).digest()[:8])


def _remote(trace_id: str, span_id: int) -> Context:
    """A span of another process, as the parent of the next one here."""
    span_context = SpanContext(as_trace_id(trace_id), span_id, True, _SAMPLED)
    return trace.set_span_in_context(NonRecordingSpan(span_context), Context())


def _remote_parent(request: HttpRequest) -> Context | None:
    found = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    if not found:
        return None
    return _remote(found[1], int(found[2], 16))


def _about(trace_id: str, subject: str, message_id: str) -> dict[str, str]:
    return {"trace_id": trace_id, "subject": subject, "message_id": message_id}
