"""RabbitMQ goes away under load, stopped in order or killed hard, while two relays publish.

A few seconds here; ``OUTAGE_SECONDS=30 ./dev test tests/crash/test_relay_outage.py`` for longer.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any
from uuid import UUID

import pytest
from celery import current_app
from django.db import connection, connections, transaction
from kombu import Connection, Consumer

from ops.stack import environment
from ops.stack.layout import CHECKOUT
from ops.stack.stack import Stack
from tasks import topology
from tasks.models import DeadLetter, OutboxMessage
from tasks.outbox import enqueue
from tests.integration.broker_control import rabbitmqctl
from tests.integration.conftest import channel_to_broker, declared_broker

__all__ = ["channel_to_broker", "declared_broker"]

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

TASK, QUEUE = "orders.capture_payment", "orders.payment"
OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "3"))
LIMIT_SECONDS = 120
PER_SECOND = 50
# What the relays publish at least, on a machine that others use too; what reconnecting may take.
SLOWEST_RATE = 300
RECONNECT_SECONDS = 5


class Load:
    """Enqueues from a thread of its own until told to stop."""

    def __init__(self) -> None:
        self.written: set[UUID] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(LIMIT_SECONDS)

    def _run(self) -> None:
        with closing(connections["default"]):
            while not self._stop.wait(10 / PER_SECOND):
                with transaction.atomic():
                    batch = {enqueue(TASK, {"order_id": n}).pk for n in range(10)}
                self.written |= batch


@contextmanager
def relay_process() -> Iterator[None]:
    database = str(connection.settings_dict["NAME"])
    process = subprocess.Popen(
        [sys.executable, "manage.py", "relay"],
        cwd=CHECKOUT,
        env={
            **os.environ,
            "DATABASE_URL": environment.with_path(os.environ["DATABASE_URL"], f"/{database}"),
        },
        stdin=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


def until(fact: Callable[[], Any], seconds: float = LIMIT_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, f"it did not come about within {seconds:.0f} s"
        time.sleep(0.05)


def stop_and_restart(stack: Stack) -> int:
    """How many messages had piled up by the end."""
    rabbitmqctl("stop_app")
    time.sleep(OUTAGE_SECONDS)  # the outage itself
    backlog = OutboxMessage.objects.count()
    rabbitmqctl("start_app")
    return backlog


def kill_hard(stack: Stack) -> int:
    stack.kill_part("rabbitmq")
    stack.stop_part("rabbitmq")  # or the supervisor would start it at once
    time.sleep(OUTAGE_SECONDS)  # the outage itself
    backlog = OutboxMessage.objects.count()
    stack.supervisor.start("rabbitmq")
    stack.wait_running("rabbitmq", LIMIT_SECONDS)
    return backlog


@pytest.mark.parametrize("take_away", [stop_and_restart, kill_hard])
def test_an_outage_under_load_loses_nothing_and_leaves_no_lag(
    channel_to_broker: Connection, take_away: Callable[[Stack], int]
) -> None:
    stack = Stack.attach("test")
    if "rabbitmq" not in stack.parts:
        pytest.skip("the broker is not ours to stop")
    with ExitStack() as open_ones:
        load = open_ones.enter_context(Load())
        for _ in range(2):
            open_ones.enter_context(relay_process())
        until(lambda: len(load.written) - OutboxMessage.objects.count() > 50)

        backlog = take_away(stack)

        assert backlog > OUTAGE_SECONDS * PER_SECOND / 4  # the load went on
        lag = RECONNECT_SECONDS + backlog / SLOWEST_RATE
        until(lambda: OutboxMessage.objects.count() < PER_SECOND, lag)
        load.__exit__()
        until(lambda: not OutboxMessage.objects.exists())

    assert in_the_queue() == load.written
    assert not DeadLetter.objects.exists()


def in_the_queue() -> set[UUID]:
    """The ids of all messages in the queue, taken out of it over a new connection."""
    found = []

    def take(message: Any) -> None:
        found.append(UUID(message.headers["id"]))
        message.ack()

    with current_app.connection_for_write() as fresh:
        # py-amqp's channel, which kombu's stubs do not know
        channel: Any = fresh.default_channel
        queue = topology.work_queue(QUEUE)(channel)
        waiting = channel.queue_declare(QUEUE, passive=True).message_count
        with Consumer(fresh, [queue], on_message=take, auto_declare=False):
            while len(found) < waiting:
                fresh.drain_events(timeout=LIMIT_SECONDS)
    return set(found)
