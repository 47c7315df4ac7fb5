"""Our own frames against Celery's: a worker must not be able to tell who wrote a message."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from celery import shared_task
from celery._state import get_current_app
from django.conf import LazySettings
from django.db import transaction
from kombu import Connection

from tasks import topology
from tasks.delivery import headers_for
from tasks.models import OutboxMessage
from tasks.outbox import enqueue
from tasks.relay import Relay

pytestmark = pytest.mark.django_db(transaction=True)

QUEUE = "orders.payment"
LIMIT_SECONDS = 30
LIMITED = "tests.with_time_limits"


@pytest.fixture
def relay(channel_to_broker: Connection) -> Iterator[Relay]:
    with closing(Relay(get_current_app())) as one:
        yield one


@pytest.fixture
def with_time_limits() -> Iterator[None]:
    """A declared task whose own options become part of its messages."""

    @shared_task(name=LIMITED, time_limit=7, soft_time_limit=5)
    def body() -> None: ...

    yield
    get_current_app().tasks.unregister(LIMITED)


def taken(connection: Connection) -> dict[str, Any]:
    """One message out of the queue, all of it that a consumer can see."""
    queue = topology.work_queue(QUEUE)(connection.default_channel)
    deadline = time.monotonic() + LIMIT_SECONDS
    # What Celery sends is not confirmed, so it may still be on its way.
    while (message := queue.get(no_ack=True)) is None:
        assert time.monotonic() < deadline, "no message came"
        time.sleep(0.01)
    properties = dict(message.properties)
    properties.pop("application_headers")
    return {
        "body": message.body,
        "payload": message.payload,
        "headers": dict(message.headers),
        "properties": properties,
        "routing": {
            key: message.delivery_info[key] for key in ("exchange", "routing_key", "redelivered")
        },
    }


def sent_by_celery(link: Connection, message: OutboxMessage) -> None:
    # Not by the pool's producers: their connections may be older than the broker that tests killed.
    get_current_app().send_task(
        message.task,
        kwargs=message.kwargs,
        task_id=str(message.pk),
        headers=headers_for(message),
        connection=link,
        retry=False,
        mandatory=True,
        ignore_result=True,
    )


@pytest.mark.parametrize("task", ["orders.capture_payment", "orders.no_such_code", LIMITED])
@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"order_id": 42, "lines": [{"sku": "A-1", "units": 2}], "note": None, "rate": 1.5},
        {"text": "Grüße, 'quoted' \"twice\", emoji \U0001f600, backslash \\"},
        {"long": "x" * 5_000},
    ],
    ids=["nothing", "nested", "text", "long"],
)
@pytest.mark.usefixtures("with_time_limits")
def test_a_message_is_what_send_task_makes_of_it(
    channel_to_broker: Connection,
    relay: Relay,
    settings: LazySettings,
    task: str,
    kwargs: dict[str, Any],
) -> None:
    settings.TASK_QUEUES = {**settings.TASK_QUEUES, task: QUEUE}
    with transaction.atomic():
        message = enqueue(task, kwargs, subject="order:42", attempt=2, trace_id="t-1")
    message.refresh_from_db()

    sent_by_celery(channel_to_broker, message)
    celerys = taken(channel_to_broker)
    assert relay.run_once().published == 1
    ours = taken(channel_to_broker)

    # Each says when it was handed to the broker.
    handed_over = [said["headers"]["outbox"].pop("published_at") for said in (celerys, ours)]
    assert all(isinstance(moment, float) for moment in handed_over)
    assert abs(handed_over[1] - handed_over[0]) < LIMIT_SECONDS
    # kwargsrepr is for people; ours is plain repr, which quotes a few texts differently.
    assert ours["headers"].pop("kwargsrepr")[:200]
    assert celerys["headers"].pop("kwargsrepr")[:200]
    assert ours == celerys


def test_a_body_larger_than_a_frame_arrives_whole(
    channel_to_broker: Connection, relay: Relay, settings: LazySettings
) -> None:
    settings.OUTBOX_MAX_KWARGS_BYTES = 1_000_000
    kwargs = {"numbers": list(range(80_000))}
    with transaction.atomic():
        enqueue("orders.capture_payment", kwargs)

    assert relay.run_once().published == 1
    assert taken(channel_to_broker)["payload"][1] == kwargs


@pytest.mark.parametrize("codec", ["gzip", "bzip2"])
def test_a_large_body_is_compressed_and_a_consumer_reads_it(
    channel_to_broker: Connection, relay: Relay, settings: LazySettings, codec: str
) -> None:
    settings.OUTBOX_COMPRESSION = codec
    settings.OUTBOX_COMPRESS_OVER_BYTES = 1_000
    with transaction.atomic():
        enqueue("orders.capture_payment", {"text": "again and " * 1_000})
        enqueue("orders.capture_payment", {"text": "short"})

    assert relay.run_once().published == 2
    first, second = taken(channel_to_broker), taken(channel_to_broker)
    long, short = sorted((first, second), key=lambda one: -len(one["payload"][1]["text"]))
    assert long["payload"][1] == {"text": "again and " * 1_000}
    assert "compression" in long["headers"]
    assert "compression" not in short["headers"]
