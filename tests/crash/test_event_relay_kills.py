"""kill -9 around the flush, and in the middle of handling: doubled at most, never lost."""

import random
import time
from collections import defaultdict

import pytest
from django.conf import LazySettings
from django.db import transaction
from django.db.models import Sum

from orders.models import SalesDay
from tasks.event_models import EventMessage
from tasks.events.emit import emit
from tasks.events.envelope import decode
from tests.contract.event_brokers import GROUP
from tests.contract.event_fixtures import activemq, event_rig, rabbit_stream, tansu
from tests.contract.event_rig import EventRig, taken
from tests.contract.waiting import wait_until
from tests.crash.relay_stopped_at import BATCH
from tests.integration.event_stream import deducted, drain, manage, python, sink_url

__all__ = ["activemq", "event_rig", "rabbit_stream", "sink_url", "tansu"]
pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

ORDERS = 15
EVENTS_EACH = 4
INSTANTS = ("before", "during", "after")


def kill_at(instant: str, in_round: int) -> None:
    relay = python("-m", "tests.crash.relay_stopped_at", instant, str(in_round))
    assert relay.stdout is not None
    with relay, relay.stdout:
        for line in relay.stdout:
            if line == b"here\n":
                break
        if instant == "during":
            time.sleep(random.uniform(0, 0.02))
        relay.kill()


def test_a_relay_killed_around_the_flush_doubles_at_most_and_loses_nothing(
    event_rig: EventRig, settings: LazySettings
) -> None:
    settings.EVENT_SINK_URL = event_rig.url
    for _ in range(EVENTS_EACH):
        for order_id in range(1, ORDERS + 1):
            deducted(order_id)

    for instant in INSTANTS:
        kill_at(instant, in_round=2)
    drain()

    assert not EventMessage.objects.exists()
    seen: dict[str, list[int]] = defaultdict(list)
    total = ORDERS * EVENTS_EACH
    with event_rig.source(GROUP) as source:
        found = taken(source, total, done=True)
        while (more := source.receive(1.0)) is not None:
            found.append(more)
    for received in found:
        event = decode(received.body)
        seen[event.subject].append(event.sequence)
    assert len(found) - total <= len(INSTANTS) * BATCH
    assert len(seen) == ORDERS
    for numbers in seen.values():
        assert numbers == sorted(numbers), "an order's events left out of order"
        assert set(numbers) == set(range(1, EVENTS_EACH + 1))


def test_a_consumer_killed_in_the_middle_counts_every_sale_once(sink_url: str) -> None:
    for order_id in range(1, 201):
        sell(order_id)
    drain()

    for enough in (20, 100):
        consumer = manage("consume_events", "--group", "sales")
        with consumer:
            wait_until(lambda enough=enough: sold() >= enough, seconds=60)  # type: ignore[misc]
            consumer.kill()
    consumer = manage("consume_events", "--group", "sales")
    with consumer:
        wait_until(lambda: sold() >= 200, seconds=60)
        consumer.terminate()
    assert consumer.returncode == 0

    (row,) = SalesDay.objects.all()
    assert (row.orders, row.units, row.amount_cents) == (200, 400, 200_000)


def sell(order_id: int) -> None:
    line = {"sku": "MUG", "title": "Mug", "quantity": 2, "unit_price_cents": 500}
    money = {"currency": "EUR", "total_cents": 1_000, "lines": [line]}
    names = {"order_id": order_id, "number": "AAAA-AAAA", "payment_id": order_id}
    with transaction.atomic():
        emit("order.paid", subject=f"order:{order_id}", data={**names, **money})


def sold() -> int:
    return int(SalesDay.objects.aggregate(all=Sum("orders"))["all"] or 0)
