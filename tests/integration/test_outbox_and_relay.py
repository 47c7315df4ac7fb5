"""From the outbox to the broker: never without its cause, never lost, twice at most."""

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
from celery import Celery, current_app
from celery._state import get_current_app
from django.db import connections, transaction
from kombu import Connection, Exchange

from tasks import broker, topology
from tasks.models import DeadLetter, OutboxMessage
from tasks.outbox import OutsideTransaction, UnknownTask, enqueue
from tasks.publisher import PublishFailed
from tasks.relay import Relay

pytestmark = pytest.mark.django_db(transaction=True)

CAPTURE = "orders.capture_payment"
QUEUE = "orders.payment"


@pytest.fixture
def relay(channel_to_broker: Connection) -> Iterator[Relay]:
    with closing(Relay(get_current_app())) as one:
        yield one


def fill_outbox(count: int) -> set[UUID]:
    with transaction.atomic():
        return {enqueue(CAPTURE, {"order_id": n}, subject=f"order:{n}").pk for n in range(count)}


def published(connection: Connection, queue: str = QUEUE) -> list[UUID]:
    """Ids of the messages in the queue, taken out of it."""
    bound = topology.work_queue(queue)(connection.default_channel)
    found = []
    while (message := bound.get(no_ack=True)) is not None:
        found.append(UUID(message.headers["id"]))
    return found


def test_a_message_without_a_transaction_is_refused() -> None:
    with pytest.raises(OutsideTransaction, match=r"transaction\.atomic"):
        enqueue(CAPTURE, {})

    assert not OutboxMessage.objects.exists()


def test_a_task_without_a_queue_is_refused_with_the_names_that_have_one() -> None:
    with transaction.atomic(), pytest.raises(UnknownTask, match=r"orders\.capture_payment"):
        enqueue("orders.capture_paymnet", {})


def test_a_message_whose_cause_rolls_back_was_never_there() -> None:
    class ChangedMyMindError(Exception):
        pass

    with pytest.raises(ChangedMyMindError), transaction.atomic():
        enqueue(CAPTURE, {})
        raise ChangedMyMindError

    assert not OutboxMessage.objects.exists()


def test_what_is_published_is_deleted_and_carries_its_names(
    channel_to_broker: Connection, relay: Relay
) -> None:
    with transaction.atomic():
        message = enqueue(CAPTURE, {"order_id": 7}, subject="order:7", attempt=3, trace_id="t-1")

    done = relay.run_once()

    assert (done.claimed, done.published) == (1, 1)
    assert not OutboxMessage.objects.exists()
    bound = topology.work_queue(QUEUE)(channel_to_broker.default_channel)
    received = bound.get(no_ack=True)
    assert received is not None
    headers: dict[str, Any] = received.headers
    assert headers["id"] == str(message.pk)
    assert headers["outbox"]["attempt"] == 3
    assert headers["outbox"]["trace_id"] == "t-1"
    properties: dict[str, Any] = received.properties
    assert properties["delivery_mode"] == 2
    assert received.payload[1] == {"order_id": 7}


def test_a_message_that_is_not_due_stays(relay: Relay) -> None:
    with transaction.atomic():
        enqueue(CAPTURE, {}, delay_seconds=60)

    assert relay.run_once().claimed == 0
    assert OutboxMessage.objects.count() == 1


def test_two_relays_side_by_side_publish_each_message_once(channel_to_broker: Connection) -> None:
    written = fill_outbox(1_000)

    def drain() -> None:
        with closing(Relay(get_current_app())) as one, closing(connections["default"]):
            while one.run_once().claimed:
                pass

    relays = [threading.Thread(target=drain) for _ in range(2)]
    for relay in relays:
        relay.start()
    for relay in relays:
        relay.join(timeout=60)

    found = published(channel_to_broker)
    assert len(found) == len(set(found)) == 1_000
    assert set(found) == written
    assert not OutboxMessage.objects.exists()


def test_a_broker_that_is_away_costs_no_message(
    channel_to_broker: Connection, relay: Relay
) -> None:
    fill_outbox(3)
    nowhere = Celery("nowhere", broker="amqp://127.0.0.1:1//", set_as_current=False)
    nowhere.conf.task_queues = topology.queues()
    nowhere.conf.task_routes = (topology.route,)

    with pytest.raises(PublishFailed):
        Relay(nowhere).run_once()

    assert OutboxMessage.objects.count() == 3
    assert OutboxMessage.objects.filter(attempt=1).count() == 3
    relay.run_once()
    assert len(published(channel_to_broker)) == 3


def test_a_message_whose_queue_is_gone_goes_out_on_a_new_connection_that_declares_it_again(
    channel_to_broker: Connection, relay: Relay
) -> None:
    fill_outbox(1)
    relay.run_once()
    published(channel_to_broker)
    topology.work_queue(QUEUE)(channel_to_broker.default_channel).delete()
    written = fill_outbox(2)

    assert relay.run_once().published == 2

    assert set(published(channel_to_broker)) == written
    assert not DeadLetter.objects.exists()


@pytest.mark.parametrize("count", [1, 3])
def test_a_message_whose_exchange_is_gone_goes_out_once_it_is_declared_again(
    channel_to_broker: Connection, relay: Relay, count: int
) -> None:
    fill_outbox(1)
    relay.run_once()
    published(channel_to_broker)
    Exchange(QUEUE)(channel_to_broker.default_channel).delete()
    written = fill_outbox(count)

    assert relay.run_once().published == count

    assert set(published(channel_to_broker)) == written
    assert not DeadLetter.objects.exists()


def test_a_relay_that_dies_before_it_commits_publishes_again_and_loses_nothing(
    channel_to_broker: Connection, relay: Relay
) -> None:
    class DiedError(Exception):
        pass

    written = fill_outbox(5)
    with pytest.raises(DiedError), transaction.atomic():
        relay.run_once()
        raise DiedError  # the process ends between the confirms and the commit

    assert OutboxMessage.objects.count() == 5
    relay.run_once()
    found = published(channel_to_broker)
    assert set(found) == written
    assert len(found) == 10


def test_the_broker_has_the_queues_and_policies_that_the_code_names(declared_broker: None) -> None:
    vhost = current_app.connection_for_read().virtual_host
    put = {policy["name"]: policy for policy in broker.management("GET", f"policies/{vhost}")}

    for name in topology.queue_names():
        for queue in (name, topology.dead_queue_name(name)):
            found = broker.management("GET", f"queues/{vhost}/{queue}")
            assert found["arguments"]["x-queue-type"] == "quorum"
    for name, policy in topology.policies().items():
        assert {key: put[name][key] for key in policy} == policy
