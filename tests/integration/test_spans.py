"""Spans from the request to the run of the task, as an OTLP collector receives them."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest
from celery import current_app
from django.conf import LazySettings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from kombu import Connection
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tasks import spans
from tasks.base import platform_task
from tasks.delivery import HEADER
from tasks.outbox import enqueue
from tasks.relay import Relay
from tasks.topology import work_queue
from tasks.trace_middleware import TraceMiddleware

pytestmark = pytest.mark.django_db(transaction=True)


@platform_task("toy.first")
def first(**_: Any) -> None:
    with spans.call_span("ask the bank", amount=3), transaction.atomic():
        enqueue("toy.second", {}, subject="order:1")


@platform_task("toy.second")
def second(**_: Any) -> None:
    raise ValueError("it fails")


class Collector:
    """A small OTLP/HTTP receiver: what it got, by span name."""

    def __init__(self) -> None:
        self.spans: dict[str, Span] = {}  # the first of each name
        self.all: list[Span] = []
        self.services: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.receive(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def receive(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            for attribute in resource.resource.attributes:
                if attribute.key == "service.name":
                    self.services.add(attribute.value.string_value)
            for scope in resource.scope_spans:
                self.all.extend(scope.spans)
                for span in scope.spans:
                    self.spans.setdefault(span.name, span)

    def chain(self, name: str) -> list[str]:
        """The names from this span up to the first one."""
        by_id = {span.span_id: span for span in self.all}
        span: Span | None = self.spans[name]
        names = []
        while span is not None:
            names.append(span.name)
            span = by_id.get(span.parent_span_id)
        return names


@pytest.fixture
def collector(settings: LazySettings) -> Iterator[Collector]:
    collector = Collector()
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = f"http://127.0.0.1:{collector.server.server_port}"
    yield collector
    spans.forget()
    collector.server.shutdown()
    collector.server.server_close()


@pytest.fixture(autouse=True)
def toys(settings: LazySettings) -> None:
    names = ("toy.first", "toy.second")
    settings.TASK_QUEUES = {**settings.TASK_QUEUES, **dict.fromkeys(names, "orders.payment")}


def view(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        enqueue("toy.first", {}, subject="order:1")
    return HttpResponse("")


def carry(connection: Connection) -> None:
    """Relay one message and run its task on what came out of the broker."""
    relay = Relay(current_app)
    assert relay.run_once().published == 1
    relay.close()
    message = work_queue("orders.payment")(connection.default_channel).get(no_ack=True)
    assert message is not None
    headers = message.headers
    task = current_app.tasks[headers["task"]]
    task.push_request(id=headers["id"], headers={HEADER: headers[HEADER]})
    try:
        task()
    finally:
        task.pop_request()


def test_one_trace_leads_from_the_request_to_the_last_task(
    collector: Collector, channel_to_broker: Connection
) -> None:
    answer = TraceMiddleware(view)(RequestFactory().post("/checkout/"))
    carry(channel_to_broker)
    with pytest.raises(Exception, match="it fails"):
        carry(channel_to_broker)
    spans.send_the_rest()

    assert collector.chain("run toy.second") == [
        *("run toy.second", "publish toy.second", "enqueue toy.second"),
        "ask the bank",
        *("run toy.first", "publish toy.first", "enqueue toy.first"),
        "POST /checkout/",
    ]
    trace_ids = {span.trace_id.hex() for span in collector.all}
    assert trace_ids == {answer["X-Request-Id"]}
    assert collector.services == {"soldonce"}
    assert collector.spans["run toy.second"].status.code == 2
    assert collector.spans["run toy.first"].kind == Span.SPAN_KIND_CONSUMER
    about = {a.key: a.value.string_value for a in collector.spans["run toy.first"].attributes}
    assert about["subject"] == "order:1"


def test_a_proxy_in_front_begins_the_trace(collector: Collector) -> None:
    trace_id, parent = uuid4().hex, "00f067aa0ba902b7"
    request = RequestFactory().get("/", headers={"traceparent": f"00-{trace_id}-{parent}-01"})
    answer = TraceMiddleware(lambda _: HttpResponse(""))(request)
    spans.send_the_rest()
    assert answer["X-Request-Id"] == trace_id
    assert collector.spans["GET /"].trace_id.hex() == trace_id
    assert collector.spans["GET /"].parent_span_id.hex() == parent


def test_what_was_rolled_back_was_never_enqueued(collector: Collector) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        enqueue("toy.first", {})
        _ = 1 / 0
    spans.send_the_rest()
    assert collector.all == []


def test_a_collector_that_is_away_fails_no_request(settings: LazySettings) -> None:
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:9"
    try:
        assert TraceMiddleware(view)(RequestFactory().get("/")).status_code == 200
    finally:
        spans.forget()
