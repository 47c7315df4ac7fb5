"""What tests of the event stream share: a stream of its own, and consumers in this process."""

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.conf import LazySettings, settings
from django.db import connection, connections, transaction

from ops.stack.layout import CHECKOUT
from tasks.event_models import EventMessage
from tasks.events.chosen import chosen_address, make_sink
from tasks.events.consumer import EventConsumer
from tasks.events.emit import emit
from tasks.events.envelope import Event
from tasks.events.relay import EventRelay, Round

TIMEOUT_SECONDS = 15.0


def stream_url() -> str:
    return f"{os.environ['TEST_EVENT_SINK_URL']}.{uuid.uuid4().hex[:12]}?vhost=inprocess"


@pytest.fixture
def sink_url(settings: LazySettings) -> str:
    """Events are on, and go to a RabbitMQ stream that nobody else uses."""
    settings.EVENT_SINK_URL = stream_url()
    return str(settings.EVENT_SINK_URL)


def deducted(order_id: int) -> EventMessage:
    """Emit a small event of the order, in a transaction of its own."""
    data = {
        "order_id": order_id,
        "number": "AAAA-AAAA",
        "lines": [{"sku": "MUG", "quantity": 1}],
    }
    with transaction.atomic():
        message = emit("stock.deducted", subject=f"order:{order_id}", data=data)
    assert message is not None
    return message


@contextmanager
def relay(batch_size: int | None = None) -> Iterator[EventRelay]:
    sink = make_sink(chosen_address(), timeout_seconds=TIMEOUT_SECONDS)
    try:
        yield EventRelay(sink, batch_size=batch_size)
    finally:
        sink.close()


def drain(batch_size: int | None = None) -> list[Round]:
    """Relay until nothing is left to claim."""
    rounds = []
    with relay(batch_size) as one:
        while (done := one.run_once()).claimed:
            assert not done.trouble
            rounds.append(done)
    return rounds


@contextmanager
def consuming(
    group: str, handler: Callable[[Event], None]
) -> Iterator[tuple[EventConsumer, threading.Thread]]:
    consumer = EventConsumer(chosen_address(), group, handler)

    def work() -> None:
        try:
            consumer.run()
        finally:
            connections["default"].close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield consumer, thread
    finally:
        consumer.stop()
        thread.join(timeout=40)
        assert not thread.is_alive()


def manage(*arguments: str) -> "subprocess.Popen[bytes]":
    """A command of this project as a process of its own, on the tests' database and sink."""
    return python("manage.py", *arguments)


def python(*arguments: str) -> "subprocess.Popen[bytes]":
    database = connection.settings_dict
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE if arguments[0] == "-m" else None,
        env={
            **os.environ,
            "EVENT_SINK_URL": settings.EVENT_SINK_URL,
            "DATABASE_URL": f"postgres://{database['USER']}:{database['PASSWORD']}"
            f"@{database['HOST']}:{database['PORT']}/{database['NAME']}",
        },
    )
