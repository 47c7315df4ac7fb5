"""What enqueue takes, what it refuses, and what a dedupe key promises."""

import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery._state import get_current_app
from django.db import connections, transaction
from kombu import Connection

from tasks import topology
from tasks.arguments import BadArguments
from tasks.models import OutboxMessage
from tasks.outbox import enqueue
from tasks.relay import Relay

pytestmark = pytest.mark.django_db(transaction=True)

CAPTURE = "orders.capture_payment"
LIMIT_SECONDS = 30


def in_thread(work: Callable[[], Any]) -> threading.Thread:
    def body() -> None:
        with closing(connections["default"]):
            work()

    thread = threading.Thread(target=body)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, "not JSON.*Pass ids"),
        ({"rate": float("nan")}, "not JSON"),
        ({"text": "\ud800"}, "not JSON"),
        ({"text": "a\x00b"}, "NUL"),
        ({"ids": (1, 2)}, "lists in place of tuples"),
        ({"by_id": {1: "a"}}, "text as keys"),
        ({"text": "x" * 70_000}, "65,536.*pass its id"),
    ],
)
def test_arguments_that_cannot_travel_are_refused_with_what_to_do(
    kwargs: dict[str, Any], says: str
) -> None:
    with transaction.atomic(), pytest.raises(BadArguments, match=says):
        enqueue(CAPTURE, kwargs)

    assert not OutboxMessage.objects.exists()


@pytest.mark.parametrize("text", ["a backslash and u0000: \\u0000", "emoji \U0001f600", "'\""])
def test_odd_but_legal_text_travels_unchanged(text: str) -> None:
    with transaction.atomic():
        message = enqueue(CAPTURE, {"text": text})

    assert OutboxMessage.objects.get(pk=message.pk).kwargs == {"text": text}


def test_a_message_waits_until_its_moment() -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with transaction.atomic():
        message = enqueue(CAPTURE, {}, not_before=tomorrow)

    assert OutboxMessage.objects.get(pk=message.pk).not_before == tomorrow


def test_a_moment_without_a_time_zone_or_beside_a_delay_is_refused() -> None:
    with transaction.atomic(), pytest.raises(ValueError, match="aware"):
        enqueue(CAPTURE, {}, not_before=datetime(2026, 1, 1))  # noqa: DTZ001  # the point
    with transaction.atomic(), pytest.raises(ValueError, match="not both"):
        enqueue(CAPTURE, {}, not_before=datetime.now(UTC), delay_seconds=1)


def test_the_schema_version_reaches_the_handler(channel_to_broker: Connection) -> None:
    with transaction.atomic():
        enqueue(CAPTURE, {}, schema_version=3)

    with closing(Relay(get_current_app())) as relay:
        relay.run_once()

    queue = topology.work_queue("orders.payment")(channel_to_broker.default_channel)
    received = queue.get(no_ack=True)
    assert received is not None
    headers: dict[str, Any] = received.headers
    assert headers["outbox"]["schema_version"] == 3


def test_a_second_message_with_the_key_of_a_waiting_one_is_that_one() -> None:
    with transaction.atomic():
        first = enqueue(CAPTURE, {"order_id": 1}, dedupe_key="refresh:1")
        again = enqueue(CAPTURE, {"order_id": 1}, dedupe_key="refresh:1")
    with transaction.atomic():
        later = enqueue(CAPTURE, {"order_id": 1}, dedupe_key="refresh:1")
        other = enqueue(CAPTURE, {"order_id": 2}, dedupe_key="refresh:2")

    assert first.pk == again.pk == later.pk != other.pk
    assert OutboxMessage.objects.count() == 2


def test_a_key_too_long_is_refused_because_cut_off_it_could_be_another() -> None:
    with transaction.atomic(), pytest.raises(ValueError, match="200 are kept"):
        enqueue(CAPTURE, {}, dedupe_key="k" * 201)


def test_many_writers_of_one_key_leave_one_message() -> None:
    ready = threading.Barrier(6)

    def write() -> None:
        with transaction.atomic():
            ready.wait(LIMIT_SECONDS)
            enqueue(CAPTURE, {"order_id": 1}, dedupe_key="refresh:1")

    for thread in [in_thread(write) for _ in range(6)]:
        thread.join(LIMIT_SECONDS)

    assert OutboxMessage.objects.count() == 1


def test_a_joined_message_is_not_published_before_the_joiner_commits(
    channel_to_broker: Connection,
) -> None:
    with transaction.atomic():
        enqueue(CAPTURE, {}, dedupe_key="refresh:1")
    with closing(Relay(get_current_app())) as relay:
        joined, go_on = threading.Event(), threading.Event()

        def join() -> None:
            with transaction.atomic():
                enqueue(CAPTURE, {}, dedupe_key="refresh:1")
                joined.set()
                go_on.wait(LIMIT_SECONDS)

        joiner = in_thread(join)
        assert joined.wait(LIMIT_SECONDS)
        # Its handler would read what the joiner has not committed yet.
        assert relay.run_once().claimed == 0

        go_on.set()
        joiner.join(LIMIT_SECONDS)
        assert relay.run_once().published == 1


def test_a_key_whose_message_a_relay_has_in_hand_makes_a_message_of_its_own() -> None:
    with transaction.atomic():
        first = enqueue(CAPTURE, {}, dedupe_key="refresh:1")
    claimed, go_on = threading.Event(), threading.Event()

    def claim_like_a_relay() -> None:
        with transaction.atomic():
            OutboxMessage.objects.select_for_update(skip_locked=True).get(pk=first.pk)
            claimed.set()
            go_on.wait(LIMIT_SECONDS)
            OutboxMessage.objects.filter(pk=first.pk).delete()

    relay = in_thread(claim_like_a_relay)
    assert claimed.wait(LIMIT_SECONDS)
    # It may have been handled already, without what this transaction changes.
    with transaction.atomic():
        second = enqueue(CAPTURE, {}, dedupe_key="refresh:1")
    go_on.set()
    relay.join(LIMIT_SECONDS)

    assert [row.pk for row in OutboxMessage.objects.all()] == [second.pk]
    assert second.pk != first.pk
