"""A process of the application that fills the outbox and publishes it, in one way or another.

Takes orders as JSON lines, answers each with one. ``publish``: no database, ``send_task`` with
kombu's own confirms, one message after the other. ``naive``: a relay written in the obvious way.
``relay``: ours, through ``Relay.run_once``. ``place``: enqueue at random moments, consume what the
relay beside us publishes.
"""

import json
import random
import sys
import time
from contextlib import closing, suppress
from itertools import pairwise
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402 - after setup
from django.db import connection, transaction  # noqa: E402
from kombu import Connection, Consumer  # noqa: E402

from config.celery import app  # noqa: E402
from tasks import topology  # noqa: E402
from tasks.delivery import headers_for  # noqa: E402
from tasks.models import OutboxMessage  # noqa: E402
from tasks.outbox import enqueue  # noqa: E402
from tasks.relay import Relay  # noqa: E402

TASK = "orders.send_notification"
QUEUE = settings.TASK_QUEUES[TASK]
_FILL = """
INSERT INTO tasks_outboxmessage (id, task, kwargs, subject, attempt, reason, trace_id)
SELECT gen_random_uuid(), %s, jsonb_build_object('order_id', n, 'kind', 'order_confirmed'),
       'order:' || n, 1, '', md5(n::text) FROM generate_series(1, %s) AS n
"""
_LATE_SECONDS = 30.0
_WARM_UP = 200


def main() -> None:
    with app.connection_for_write() as broker:
        topology.work_queue(QUEUE)(broker.default_channel).declare()
        _answer({"ready": True})
        for line in sys.stdin:
            order = json.loads(line)
            topology.work_queue(QUEUE)(broker.default_channel).purge()
            match order["do"]:
                case "publish":
                    _answer({"rates": [_publish(order["count"])]})
                case "naive":
                    _answer({"rates": [_naive(order["count"])]})
                case "relay":
                    _answer({"rates": _relay(order["count"], order["parts"])})
                case "place":
                    _answer({"seconds": _place(broker, order["count"], order["gap_seconds"])})


def _answer(fact: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


def _fill(count: int) -> None:
    """One statement, so all rows are due at the same moment: the least friendly order there is."""
    with connection.cursor() as cursor:
        cursor.execute(_FILL, [TASK, count])


def _confirming() -> Connection:
    return app.connection_for_write(transport_options={"confirm_publish": True})


def _send(producer: Any, message: OutboxMessage) -> None:
    app.send_task(
        message.task,
        kwargs=message.kwargs,
        task_id=str(message.pk),
        headers=headers_for(message),
        producer=producer,
        retry=False,
        mandatory=True,
        ignore_result=True,
    )


def _publish(count: int) -> float:
    _fill(count)
    messages = list(OutboxMessage.objects.all())
    OutboxMessage.objects.all().delete()
    with _confirming() as broker, app.amqp.Producer(broker.default_channel) as producer:
        began = time.perf_counter()
        for message in messages:
            _send(producer, message)
        return len(messages) / (time.perf_counter() - began)


def _naive(count: int) -> float:
    """A row at a time: lock, publish, wait for its confirm, delete, commit."""
    _fill(count)
    with _confirming() as broker, app.amqp.Producer(broker.default_channel) as producer:
        began = time.perf_counter()
        for _ in range(count):
            with transaction.atomic():
                waiting = OutboxMessage.objects.select_for_update(skip_locked=True)
                message = waiting.order_by("not_before")[0]
                _send(producer, message)
                message.delete()
        return count / (time.perf_counter() - began)


def _relay(count: int, parts: int) -> list[float]:
    """Messages per second, claim to delete, in each of so many equal parts of the backlog."""
    with closing(Relay(app)) as relay:
        _fill(_WARM_UP)  # opens the connection and fills caches
        while relay.run_once().claimed:
            pass
        _fill(count)
        marks, published = [time.perf_counter()], 0
        while published < count:
            published += relay.run_once().published
            while published >= count * len(marks) / parts and len(marks) <= parts:
                marks.append(time.perf_counter())
    return [count / parts / (after - before) for before, after in pairwise(marks)]


def _place(broker: Connection, count: int, gap_seconds: float) -> list[float]:
    """From the commit of each message to its delivery, while a relay runs beside us."""
    placed: dict[str, float] = {}
    seen: dict[str, float] = {}

    def on_message(message: Any) -> None:
        seen[message.headers["id"]] = time.perf_counter()
        message.ack()

    def place() -> None:
        with transaction.atomic():
            message = enqueue(TASK, {"order_id": 1})
        placed[str(message.pk)] = time.perf_counter()

    def all_seen() -> bool:
        until = time.perf_counter() + _LATE_SECONDS
        while placed.keys() - seen.keys() and time.perf_counter() < until:
            _listen(broker, 0.05)
        return placed.keys() <= seen.keys()

    with Consumer(broker, [topology.work_queue(QUEUE)], on_message=on_message, auto_declare=False):
        place()
        if not all_seen():  # the relay has started and has its connections
            raise TimeoutError("the relay does not publish")
        placed.clear()
        for _ in range(count):
            _listen(broker, random.uniform(0.5, 1.5) * gap_seconds)
            place()
        all_seen()
    return [seen[message_id] - at for message_id, at in placed.items()]


def _listen(broker: Connection, seconds: float) -> None:
    until = time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        with suppress(TimeoutError):
            broker.drain_events(timeout=left)


if __name__ == "__main__":
    main()
