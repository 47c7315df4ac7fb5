"""What becomes of an attempt that fails: a row first, then the end of the delivery."""

from typing import Any
from uuid import uuid4

import pytest
from celery.exceptions import Ignore, Retry
from django.conf import LazySettings
from django.utils import timezone
from kombu import Connection

from tasks import dead_letters, dead_queues, topology
from tasks.base import PlatformTask, platform_task
from tasks.delivery import HEADER, current_delivery, read_delivery
from tasks.errors import LeaseBusy, Permanent, Transient
from tasks.guard import single_flight
from tasks.locks.held import HeldLease
from tasks.models import DeadLetter, OutboxMessage
from tasks.retry import Backoff, RetryPolicy

pytestmark = pytest.mark.django_db(transaction=True)

POLICY = RetryPolicy(transient=Backoff(attempts=3), defect=Backoff(attempts=3))
SEEN: list[dict[str, Any]] = []


@platform_task("toy.obedient", lease_key="order:{order_id}", policy=POLICY)
def obedient(*, order_id: int, lease: HeldLease, fails_with: str = "", **_: Any) -> None:
    delivery = current_delivery()
    assert delivery is not None
    version = delivery.schema_version
    SEEN.append({"order_id": order_id, "token": lease.token, "version": version})
    if fails_with == "transient":
        raise Transient("the other side is busy")
    if fails_with == "permanent":
        raise Permanent("this can never work")
    if fails_with == "bug":
        raise ZeroDivisionError("a defect of ours")


@platform_task("toy.sweep", lease_key="sweep:test", periodic=True)
def sweep(*, lease: HeldLease, **_: Any) -> None:
    raise Transient("not now")


@pytest.fixture(autouse=True)
def toys_have_a_queue(settings: LazySettings) -> None:
    SEEN.clear()
    settings.TASK_QUEUES = {**settings.TASK_QUEUES, "toy.obedient": "orders.payment"}


def deliver(task: PlatformTask, kwargs: dict[str, Any], **header: Any) -> str:
    """Hand a message to the task as a worker does; its id."""
    message_id = str(uuid4())
    first = timezone.now().isoformat()
    task.push_request(
        id=message_id,
        headers={HEADER: {"first_enqueued_at": first, "subject": "order:1", **header}},
    )
    try:
        task(**kwargs)
    finally:
        task.pop_request()
    return message_id


def test_the_body_runs_under_a_lease_with_a_rising_token() -> None:
    deliver(obedient, {"order_id": 1})
    deliver(obedient, {"order_id": 1})

    assert SEEN[0]["token"] < SEEN[1]["token"]
    assert not OutboxMessage.objects.exists()


def test_an_argument_that_a_newer_sender_added_is_tolerated() -> None:
    deliver(obedient, {"order_id": 1, "from_the_future": True})

    assert len(SEEN) == 1


def test_a_handler_knows_which_form_its_arguments_have_and_a_retry_keeps_it() -> None:
    deliver(obedient, {"order_id": 1})
    with pytest.raises(Retry):
        deliver(obedient, {"order_id": 1, "fails_with": "transient"}, schema_version=2)

    assert [seen["version"] for seen in SEEN] == [1, 2]
    assert OutboxMessage.objects.get().schema_version == 2


@pytest.mark.parametrize("fails_with", ["transient", "bug"])
def test_a_failed_attempt_writes_its_successor(fails_with: str) -> None:
    before = timezone.now()
    with pytest.raises(Retry):
        deliver(obedient, {"order_id": 1, "fails_with": fails_with}, attempt=2, trace_id="t-9")

    successor = OutboxMessage.objects.get()
    assert (successor.task, successor.attempt) == ("toy.obedient", 3)
    assert successor.kwargs == {"order_id": 1, "fails_with": fails_with}
    assert (successor.subject, successor.trace_id) == ("order:1", "t-9")
    assert successor.not_before > before
    assert successor.reason


def test_the_last_attempt_becomes_a_dead_letter_with_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        deliver(obedient, {"order_id": 1, "fails_with": "bug"}, attempt=3)

    letter = DeadLetter.objects.get()
    assert (letter.error_class, letter.attempt) == ("ZeroDivisionError", 3)
    assert "a defect of ours" in letter.error
    assert "Traceback" in letter.error
    assert not OutboxMessage.objects.exists()


def test_a_permanent_error_is_not_tried_again() -> None:
    with pytest.raises(Permanent):
        deliver(obedient, {"order_id": 1, "fails_with": "permanent"}, attempt=1)

    assert DeadLetter.objects.get().error_class == "Permanent"
    assert not OutboxMessage.objects.exists()


def test_busy_comes_back_later_and_uses_up_no_attempt() -> None:
    with single_flight("order:1", wait=5), pytest.raises(Retry) as retry:
        deliver(obedient, {"order_id": 1}, attempt=2)

    assert isinstance(retry.value.exc, LeaseBusy)
    assert SEEN == []
    assert OutboxMessage.objects.get().attempt == 2


def test_a_sweep_that_fails_leaves_nothing_behind() -> None:
    with pytest.raises(Ignore):
        deliver(sweep, {})

    assert not OutboxMessage.objects.exists()
    assert not DeadLetter.objects.exists()


def test_a_redriven_letter_goes_back_through_the_outbox_once() -> None:
    with pytest.raises(Permanent):
        deliver(obedient, {"order_id": 1, "fails_with": "permanent"})
    letter = DeadLetter.objects.get()
    assert dead_letters.needs_a_person("order:1")

    dead_letters.redrive(letter.pk, by="carol")
    with pytest.raises(dead_letters.NotOpen):
        dead_letters.redrive(letter.pk, by="carol")

    again = OutboxMessage.objects.get()
    assert (again.kwargs, again.attempt) == ({"order_id": 1, "fails_with": "permanent"}, 1)
    letter.refresh_from_db()
    assert (letter.status, letter.closed_by) == ("redriven", "carol")
    assert not dead_letters.needs_a_person("order:1")


def die(connection: Connection, body: bytes, headers: dict[str, Any]) -> None:
    """Put a message where the broker puts what it gives up on."""
    queue = topology.dead_queue("orders.payment")
    producer = connection.Producer(exchange=queue.exchange, routing_key="orders.payment")
    producer.publish(
        body, headers=headers, content_type="application/json", content_encoding="utf-8"
    )


def test_what_the_broker_gave_up_on_becomes_a_dead_letter(channel_to_broker: Connection) -> None:
    message_id = str(uuid4())
    die(
        channel_to_broker,
        b'[[], {"order_id": 4, "payment_id": 5}, {}]',
        {
            "id": message_id,
            "task": "orders.capture_payment",
            HEADER: {"attempt": 2, "subject": "order:4"},
            "x-death": [{"queue": "orders.payment", "reason": "delivery_limit"}],
        },
    )

    assert dead_queues.collect() == 1

    letter = DeadLetter.objects.get()
    assert str(letter.message_id) == message_id
    assert (letter.task, letter.subject) == ("orders.capture_payment", "order:4")
    assert letter.kwargs == {"order_id": 4, "payment_id": 5}
    assert "delivery_limit" in letter.error
    # Not for a person yet: the sweeper may send such an order's next step again.
    assert not dead_letters.needs_a_person("order:4")


@pytest.mark.parametrize("body", [b"\xff\xfe not json", b"{}", b"[1]", b"null"])
def test_a_message_that_cannot_be_read_is_kept_as_it_is(
    body: bytes, channel_to_broker: Connection
) -> None:
    die(channel_to_broker, body, {})

    assert dead_queues.collect() == 1

    assert "unreadable_body" in DeadLetter.objects.get().kwargs


def test_a_letter_recorded_by_the_worker_is_not_recorded_again(
    channel_to_broker: Connection,
) -> None:
    message_id = str(uuid4())
    delivery = read_delivery(message_id, "orders.capture_payment", {"order_id": 1}, {})
    dead_letters.record(delivery, Permanent("the reason"), "permanent error")
    die(channel_to_broker, b'[[], {"order_id": 1}, {}]', {"id": message_id})

    dead_queues.collect()

    assert DeadLetter.objects.get().error_class == "Permanent"
