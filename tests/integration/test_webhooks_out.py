"""Other systems are told of every step: with its cause, signed, tried for a day, never lost."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.db import transaction
from django.db.models.functions import Now
from kombu import Connection

from orders import events
from orders.gateways.webhook_sender import NotTaken
from orders.models import Order, WebhookDelivery, WebhookEndpoint
from orders.services.cancellation import cancel_order
from orders.services.placement import place_order
from orders.services.shelf import receive_stock
from orders.services.webhooks_out import deliver_webhook, resume_deliveries, send_again
from tasks.errors import BreakerOpen
from tasks.guard import single_flight
from tasks.models import BreakerState, OutboxMessage
from tests.contract.waiting import wait_until
from tests.integration.shopping import command, line, placed
from tests.integration.webhook_receiver import Call, Receiver, receiving
from tests.integration.worker_process import all_ready, worker

pytestmark = pytest.mark.django_db(transaction=True)

Status = WebhookDelivery.Status


@pytest.fixture
def receiver(settings: LazySettings) -> Iterator[Receiver]:
    settings.WEBHOOK_OUT_PRIVATE = True
    settings.WEBHOOK_OUT_TIMEOUT_SECONDS = 2
    settings.EVENT_SINK_URL = ""  # what is told to endpoints does not hang on the stream
    with receiving() as one:
        yield one


def endpoint(url: str, **facts: object) -> WebhookEndpoint:
    return WebhookEndpoint.objects.create(url=url, **facts)


def owed(order: Order) -> WebhookDelivery:
    return WebhookDelivery.objects.get(order=order)


def deliver(delivery: WebhookDelivery) -> WebhookDelivery:
    """One try, as the task makes it."""
    try:
        with single_flight(delivery.subject, wait=5) as lease:
            deliver_webhook(delivery.pk, lease)
    finally:
        delivery.refresh_from_db()
    return delivery


def is_signed(call: Call, secret: str) -> bool:
    """As a receiver checks it, by the words of the specification."""
    signed = b".".join(
        [call.headers["webhook-id"].encode(), call.headers["webhook-timestamp"].encode(), call.body]
    )
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return call.headers["webhook-signature"] == f"v1,{expected}"


# -- what is owed ----------------------------------------------------------------


def test_every_active_endpoint_that_wants_an_event_is_owed_it_and_its_message(
    receiver: Receiver,
) -> None:
    all_of_them = endpoint(receiver.url)
    choosy = endpoint(receiver.url, kinds=["order.placed"])
    endpoint(receiver.url, kinds=["refund.moved"])
    endpoint(receiver.url, is_active=False)

    order = placed()

    deliveries = WebhookDelivery.objects.filter(order=order)
    assert {one.endpoint_id for one in deliveries} == {all_of_them.pk, choosy.pk}
    for one in deliveries:
        message = OutboxMessage.objects.get(subject=one.subject)
        assert (message.task, message.kwargs) == ("orders.deliver_webhook", {"delivery_id": one.pk})
        assert one.payload["type"] == "order.placed"
        assert one.payload["data"]["lines"] == [
            {"sku": "MUG", "title": "Thing MUG", "quantity": 1, "unit_price_cents": 1_000}
        ]


def test_nobody_is_told_of_a_step_that_was_rolled_back(receiver: Receiver) -> None:
    endpoint(receiver.url)
    receive_stock("MUG", 5, "test")

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        place_order(command(line("MUG")))
        raise ZeroDivisionError

    assert not WebhookDelivery.objects.exists()


def test_the_same_cause_is_owed_once_and_another_one_again(receiver: Receiver) -> None:
    endpoint(receiver.url)
    order = placed()

    with transaction.atomic():
        events.order_placed(order)
        events.order_expired(order)

    types = WebhookDelivery.objects.filter(order=order).values_list("type", flat=True)
    assert sorted(types) == ["order.expired", "order.placed"]


def test_no_webhook_holds_what_belongs_to_the_shopper(receiver: Receiver) -> None:
    endpoint(receiver.url)
    order = placed()
    cancel_order(order.pk, actor="shopper", reason="Alice moved house")

    told = json.dumps([one.payload for one in WebhookDelivery.objects.all()])

    assert "order.cancelled" in told
    for word in ("alice", "Alice", "Ahrens", "Quay", "28195", "4242"):
        assert word not in told


# -- a try -----------------------------------------------------------------------


def test_a_delivery_is_signed_and_holds_the_event(receiver: Receiver) -> None:
    target = endpoint(f"{receiver.url}hooks?for=shop")

    delivery = deliver(owed(placed()))

    (call,) = receiver.calls
    assert call.path == "/hooks?for=shop"
    assert call.headers["content-type"] == "application/json"
    assert call.headers["webhook-id"] == str(delivery.message_id)
    assert abs(int(call.headers["webhook-timestamp"]) - time.time()) < 60
    assert is_signed(call, target.secret)
    assert not is_signed(call, endpoint("https://another.example/").secret)
    assert json.loads(call.body) == delivery.payload
    assert (delivery.status, delivery.attempts) == (Status.DELIVERED, 1)
    assert delivery.last_answer == "200 heard <you>"
    assert delivery.settled_at is not None


def test_a_refusal_is_kept_and_the_next_try_has_the_same_id(receiver: Receiver) -> None:
    endpoint(receiver.url)
    receiver.status = 503
    delivery = owed(placed())

    with pytest.raises(NotTaken, match="503"):
        deliver(delivery)
    assert (delivery.status, delivery.attempts) == (Status.PENDING, 1)
    assert delivery.last_answer == "It answered 503 heard <you>"

    receiver.status = 204
    deliver(delivery)
    deliver(delivery)  # a message that comes twice finds nothing to do

    assert (delivery.status, delivery.attempts) == (Status.DELIVERED, 2)
    first, second = receiver.calls
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_a_redirect_is_no_yes_and_is_not_followed(receiver: Receiver) -> None:
    endpoint(receiver.url)
    receiver.status = 307

    with pytest.raises(NotTaken, match="307"):
        deliver(owed(placed()))

    assert [call.path for call in receiver.calls] == ["/"]


def test_a_receiver_that_drips_its_answer_is_cut_off_in_time(
    receiver: Receiver, settings: LazySettings
) -> None:
    settings.WEBHOOK_OUT_TIMEOUT_SECONDS = 0.5
    endpoint(receiver.url)
    receiver.drips = True
    delivery = owed(placed())
    began = time.monotonic()

    with pytest.raises(NotTaken):
        deliver(delivery)

    assert time.monotonic() - began < 5
    assert delivery.status == Status.PENDING


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"],  # noqa: S104  # not bound: called
)
def test_an_address_inside_the_network_is_never_connected(
    receiver: Receiver, settings: LazySettings, host: str
) -> None:
    settings.WEBHOOK_OUT_PRIVATE = False
    endpoint(receiver.url.replace("127.0.0.1", host))
    delivery = owed(placed())

    with pytest.raises(NotTaken, match="no public address"):
        deliver(delivery)

    assert receiver.calls == []
    assert "WEBHOOK_OUT_PRIVATE" in delivery.last_answer


def test_nobody_at_the_address_is_a_refusal_that_says_so(receiver: Receiver) -> None:
    endpoint("http://127.0.0.1:9/")
    delivery = owed(placed())

    with pytest.raises(NotTaken, match="No answer"):
        deliver(delivery)

    assert delivery.status == Status.PENDING


# -- the end ---------------------------------------------------------------------


def test_after_a_day_it_is_given_up_and_staff_may_send_it_again(receiver: Receiver) -> None:
    endpoint(receiver.url)
    receiver.status = 500
    delivery = owed(placed())
    with pytest.raises(NotTaken):
        deliver(delivery)
    WebhookDelivery.objects.update(owed_at=Now() - timedelta(days=1, seconds=1))

    deliver(delivery)

    assert (delivery.status, delivery.attempts) == (Status.GIVEN_UP, 1)
    assert "500" in delivery.last_answer
    OutboxMessage.objects.all().delete()
    receiver.status = 200
    assert send_again(delivery.pk, actor="staff mo")
    assert not send_again(delivery.pk, actor="staff mo")
    assert OutboxMessage.objects.filter(subject=delivery.subject).count() == 1
    deliver(delivery)
    assert (delivery.status, delivery.attempts) == (Status.DELIVERED, 2)
    assert len({call.headers["webhook-id"] for call in receiver.calls}) == 1
    assert delivery.order.timeline.filter(kind="webhook_again", actor="staff mo").count() == 1


def test_a_receiver_that_is_gone_for_good_is_not_asked_again(receiver: Receiver) -> None:
    endpoint(receiver.url)
    receiver.status = 410

    delivery = deliver(owed(placed()))

    assert (delivery.status, delivery.attempts) == (Status.GIVEN_UP, 1)


def test_an_endpoint_that_was_switched_off_hears_nothing_more(receiver: Receiver) -> None:
    endpoint(receiver.url)
    delivery = owed(placed())
    WebhookEndpoint.objects.update(is_active=False)

    deliver(delivery)

    assert receiver.calls == []
    assert (delivery.status, delivery.attempts) == (Status.GIVEN_UP, 0)
    assert "switched off" in delivery.last_answer


def test_a_sick_endpoint_is_left_alone_for_a_while_and_a_well_one_is_not(
    receiver: Receiver,
) -> None:
    sick = endpoint("http://127.0.0.1:9/")
    endpoint(receiver.url)
    orders = [placed(f"SKU{number}") for number in range(6)]
    first = WebhookDelivery.objects.filter(endpoint=sick).order_by("pk")
    for delivery in first[:5]:
        with pytest.raises(NotTaken):
            deliver(delivery)

    with pytest.raises(BreakerOpen):
        deliver(first[5])

    assert BreakerState.objects.get().name == f"webhook:{sick.pk}"
    for order in orders:
        deliver(order.webhook_deliveries.exclude(endpoint=sick).get())
    assert len(receiver.calls) == 6


def test_a_delivery_that_nobody_has_in_hand_is_sent_on_by_the_sweep(receiver: Receiver) -> None:
    endpoint(receiver.url)
    delivery = owed(placed())
    assert resume_deliveries() == 0  # it is young, and its message waits
    WebhookDelivery.objects.update(owed_at=Now() - timedelta(hours=1))
    assert resume_deliveries() == 0  # its message still waits
    OutboxMessage.objects.filter(subject=delivery.subject).delete()
    WebhookDelivery.objects.update(swept_at=None)

    assert resume_deliveries() == 1

    assert OutboxMessage.objects.filter(subject=delivery.subject).count() == 1


def test_a_worker_tries_until_the_receiver_takes_it(
    receiver: Receiver, channel_to_broker: Connection, relaying: None, tmp_path: Path
) -> None:
    receiver.status = 500
    endpoint(receiver.url)
    one = worker("webhook", "orders.webhook", tmp_path, WEBHOOK_OUT_PRIVATE="1")
    with all_ready([one]):
        order = placed(f"SKU{uuid4().hex[:6]}")
        wait_until(lambda: len(receiver.calls) >= 1, seconds=30)
        receiver.status = 200
        wait_until(
            partial(WebhookDelivery.objects.filter(order=order, status=Status.DELIVERED).exists),
            seconds=60,
        )
    assert len({call.headers["webhook-id"] for call in receiver.calls}) == 1
