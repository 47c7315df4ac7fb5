"""What goes wrong between the outbox and the broker: nothing is lost, nothing blocks the rest."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID

import pytest
from celery import Celery, current_app
from celery._state import get_current_app
from django.conf import LazySettings
from django.db import connections, transaction
from kombu import Connection, Exchange

from tasks import topology
from tasks.models import DeadLetter, OutboxMessage
from tasks.outbox import enqueue
from tasks.publisher import BrokerBlocked, PublishFailed
from tasks.relay import Relay
from tests.integration.broker_control import rabbitmqctl
from tests.integration.cutting_proxy import cutting_proxy

pytestmark = pytest.mark.django_db(transaction=True)

CAPTURE, QUEUE = "orders.capture_payment", "orders.payment"
MAIL, MAIL_QUEUE = "orders.send_notification", "orders.notification"
LIMIT_SECONDS = 60


class Heard:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []
        self.reasons: list[str] = []
        self.blocks: list[bool] = []

    def batch(self, claimed: int, published: int, confirm_seconds: float) -> None:
        assert confirm_seconds >= 0
        self.batches.append((claimed, published))

    def refused(self, reason: str) -> None:
        self.reasons.append(reason)

    def blocked(self, is_blocked: bool) -> None:
        self.blocks.append(is_blocked)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def relay(channel_to_broker: Connection, heard: Heard) -> Iterator[Relay]:
    with closing(Relay(get_current_app(), heard)) as one:
        yield one


def fill_outbox(count: int, task: str = CAPTURE) -> set[UUID]:
    with transaction.atomic():
        return {enqueue(task, {"order_id": n}, subject=f"order:{n}").pk for n in range(count)}


def published(connection: Connection, queue: str = QUEUE) -> Counter[UUID]:
    """How often each message is in the queue; takes them out."""
    bound = topology.work_queue(queue)(connection.default_channel)
    found: Counter[UUID] = Counter()
    while (message := bound.get(no_ack=True)) is not None:
        found[UUID(message.headers["id"])] += 1
    return found


def until(fact: Callable[[], Any]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not fact():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


@contextmanager
def running(relay: Relay) -> Iterator[None]:
    """``relay.run`` in a thread of its own, stopped at the end."""

    def body() -> None:
        with closing(connections["default"]):
            relay.run()

    thread = threading.Thread(target=body)
    thread.start()
    try:
        yield
    finally:
        relay.stop()
        thread.join(LIMIT_SECONDS)
        assert not thread.is_alive()


def test_a_connection_cut_anywhere_in_a_batch_may_double_and_never_loses(
    channel_to_broker: Connection, settings: LazySettings
) -> None:
    settings.RELAY_CONFIRM_TIMEOUT_SECONDS = 5
    settings.RELAY_BATCH_SIZE = 50
    written = fill_outbox(200)
    chance = random.Random(4)
    with cutting_proxy(current_app.connection_for_write().as_uri(include_password=True)) as proxy:
        app = Celery("through_the_proxy", broker=proxy.url, set_as_current=False)
        app.conf.task_queues = topology.queues()
        with closing(Relay(app)) as relay:
            failed = 0
            for cut in range(12):
                # Some cuts hit the handshake, some a message, some the confirms.
                proxy.cut_up = chance.randrange(1, 60_000) if cut % 2 else None
                proxy.cut_down = None if cut % 2 else chance.randrange(400, 1_500)
                try:
                    relay.run_once()
                except PublishFailed:
                    failed += 1
                relay.close()
            assert failed >= 3
            proxy.cut_up = proxy.cut_down = None
            while relay.run_once().claimed:
                pass

    assert not OutboxMessage.objects.exists()
    assert published(channel_to_broker).keys() == written
    assert not DeadLetter.objects.exists()


def test_a_message_that_no_queue_ever_takes_becomes_a_dead_letter_and_the_rest_goes_out(
    channel_to_broker: Connection, relay: Relay, heard: Heard
) -> None:
    channel = channel_to_broker.default_channel
    topology.work_queue(QUEUE)(channel).delete()
    Exchange(QUEUE)(channel).delete()
    # Of another type, so that declaring it again is refused and no queue is bound to it.
    Exchange(QUEUE, type="direct", durable=True)(channel).declare()
    try:
        lost, mails = fill_outbox(3), fill_outbox(4, MAIL)

        assert relay.run_once().published == 4

        letters = DeadLetter.objects.all()
        assert {letter.message_id for letter in letters} == lost
        assert {letter.error_class for letter in letters} == {"Unroutable"}
        assert "NO_ROUTE" in letters[0].error
        assert letters[0].kwargs == {"order_id": int(letters[0].subject.removeprefix("order:"))}
        assert published(channel_to_broker, MAIL_QUEUE).keys() == mails
        assert not OutboxMessage.objects.exists()
        assert heard.reasons == ["Unroutable"] * 3
    finally:
        Exchange(QUEUE)(channel).delete()
        topology.work_queue(QUEUE)(channel).declare()


def test_a_message_too_large_for_the_broker_becomes_a_dead_letter_and_the_rest_goes_out(
    channel_to_broker: Connection, relay: Relay, heard: Heard
) -> None:
    before = rabbitmqctl("eval", "application:get_env(rabbit, max_message_size).")
    size = int(before.removeprefix("{ok,").removesuffix("}"))
    rabbitmqctl("eval", "application:set_env(rabbit, max_message_size, 2000).")
    try:
        small = fill_outbox(20)
        with transaction.atomic():
            large = [enqueue(CAPTURE, {"text": "x" * 5_000}).pk for _ in range(2)]
        small |= fill_outbox(20)

        while relay.run_once().claimed:
            pass
    finally:
        rabbitmqctl("eval", f"application:set_env(rabbit, max_message_size, {size}).")

    assert published(channel_to_broker).keys() == small
    letters = DeadLetter.objects.all()
    assert {letter.message_id for letter in letters} == set(large)
    assert all("larger than" in letter.error for letter in letters)
    assert not OutboxMessage.objects.exists()
    assert heard.reasons == ["PreconditionFailed"] * 2


def test_a_task_that_has_no_queue_any_more_becomes_a_dead_letter_and_the_rest_goes_out(
    channel_to_broker: Connection, relay: Relay, settings: LazySettings
) -> None:
    settings.TASK_QUEUES = {**settings.TASK_QUEUES, "orders.retired": QUEUE}
    retired = fill_outbox(1, "orders.retired")
    settings.TASK_QUEUES = {k: v for k, v in settings.TASK_QUEUES.items() if k != "orders.retired"}
    good = fill_outbox(2)

    relay.run_once()

    assert published(channel_to_broker).keys() == good
    letter = DeadLetter.objects.get()
    assert {letter.message_id} == retired
    assert letter.error_class == "UnknownTask"
    assert not OutboxMessage.objects.exists()


def test_a_row_that_cannot_be_encoded_becomes_a_dead_letter_and_the_rest_goes_out(
    channel_to_broker: Connection, relay: Relay
) -> None:
    # Written past enqueue, which would have refused it.
    bad = OutboxMessage.objects.create(task=CAPTURE, kwargs=[1, 2])
    good = fill_outbox(2)

    relay.run_once()

    assert published(channel_to_broker).keys() == good
    letter = DeadLetter.objects.get()
    assert (letter.message_id, letter.error_class) == (bad.pk, "NotEncodable")
    assert "arguments are a list" in letter.error


def test_a_full_queue_keeps_its_messages_waiting_and_the_others_go_out(
    channel_to_broker: Connection, relay: Relay, heard: Heard, settings: LazySettings
) -> None:
    settings.RELAY_BATCH_SIZE = 10
    name = "test-full"
    rabbitmqctl(
        *("set_policy", "-p", channel_to_broker.virtual_host, name, f"^{QUEUE}$"),
        '{"max-length": 1, "overflow": "reject-publish"}',
        *("--priority", "99", "--apply-to", "queues"),
    )
    try:
        with closing(Relay(get_current_app(), heard)) as small:
            waiting = fill_outbox(40)
            until(lambda: small.run_once() and "QueueFull" in heard.reasons)
            mails = fill_outbox(3, MAIL)
            # Older rows of the full queue would fill every batch if they were taken again.
            until(lambda: small.run_once() and published(channel_to_broker, MAIL_QUEUE))
    finally:
        rabbitmqctl("clear_policy", "-p", channel_to_broker.virtual_host, name)
    assert mails.isdisjoint(OutboxMessage.objects.values_list("pk", flat=True))
    assert not DeadLetter.objects.exists()
    assert OutboxMessage.objects.filter(attempt=1).count() == OutboxMessage.objects.count() > 0

    until(lambda: relay.run_once() and not OutboxMessage.objects.exists())
    assert published(channel_to_broker).keys() == waiting


def test_a_relay_waits_while_the_broker_is_short_of_memory_and_goes_on_by_itself(
    channel_to_broker: Connection, heard: Heard, settings: LazySettings
) -> None:
    settings.RELAY_CONFIRM_TIMEOUT_SECONDS = 1
    relay = Relay(get_current_app(), heard)
    rabbitmqctl("set_vm_memory_high_watermark", "0.000001")
    try:
        written = fill_outbox(30)
        with pytest.raises(BrokerBlocked):
            relay.run_once()
        assert heard.blocks == [True]
        # Free for whoever can publish it, and nobody's attempt.
        assert OutboxMessage.objects.filter(attempt=1).count() == 30
        with running(relay):
            written |= fill_outbox(10)
            rabbitmqctl("set_vm_memory_high_watermark", "0.4")
            until(lambda: not OutboxMessage.objects.exists())
        assert heard.blocks == [True, False]
    finally:
        rabbitmqctl("set_vm_memory_high_watermark", "0.4")
        relay.close()

    assert published(channel_to_broker).keys() == written


def test_a_running_relay_survives_the_loss_of_its_connection(
    channel_to_broker: Connection, relay: Relay
) -> None:
    with running(relay):
        first = fill_outbox(3)
        until(lambda: not OutboxMessage.objects.exists())
        rabbitmqctl("close_all_connections", "-p", channel_to_broker.virtual_host, "for a test")
        second = fill_outbox(3)
        until(lambda: not OutboxMessage.objects.exists())

    with current_app.connection_for_write() as connection:
        assert published(connection).keys() == first | second
