"""From the change to the sink: with its cause or not at all, in order, never lost."""

import json
import threading
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from jsonschema import Draft202012Validator

from orders.models import Order
from orders.services import fulfilment, notification, payment, sweeping
from orders.services.placement import place_order
from orders.services.shelf import receive_stock
from tasks.event_models import EventMessage, EventStream
from tasks.events import schemas
from tasks.events.address import BadAddress, parse
from tasks.events.chosen import chosen_address, make_source
from tasks.events.emit import emit
from tasks.events.envelope import decode, encode
from tasks.events.relay import EventRelay, send_again
from tasks.events.sink import Outcome, Outgoing
from tasks.outbox import OutsideTransaction
from tests.contract.event_rig import taken
from tests.integration.event_stream import deducted, drain, relay, sink_url
from tests.integration.shopping import card, command, lease_on, line

__all__ = ["sink_url"]
pytestmark = pytest.mark.django_db(transaction=True)

ENVELOPE = Path("docs/events/envelope.v1.json")


def waiting(subject: str) -> list[tuple[int, str]]:
    rows = EventMessage.objects.filter(subject=subject).order_by("sequence")
    return [(row.sequence, row.type) for row in rows]


# -- emit ----------------------------------------------------------------------


def test_an_event_outside_a_transaction_is_refused(sink_url: str) -> None:
    with pytest.raises(OutsideTransaction, match=r"transaction\.atomic"):
        emit("stock.deducted", subject="order:1", data={})


def test_an_unknown_event_is_refused_with_the_names_that_are_known(sink_url: str) -> None:
    with transaction.atomic(), pytest.raises(schemas.UnknownEvent, match=r"order\.paid v1"):
        emit("order.payed", subject="order:1", data={})
    with transaction.atomic(), pytest.raises(schemas.UnknownEvent, match=r"order\.paid' v9"):
        emit("order.paid", subject="order:1", data={}, version=9)


def test_data_that_break_the_schema_are_refused_with_the_field(sink_url: str) -> None:
    data = {"order_id": 1, "number": "AAAA-AAAA", "lines": [{"sku": "MUG", "quantity": 0}]}
    with transaction.atomic(), pytest.raises(schemas.BadEvent, match=r"lines\[0\]\.quantity: 0 "):
        emit("stock.deducted", subject="order:1", data=data)


def test_an_event_whose_cause_rolls_back_was_never_there(sink_url: str) -> None:
    class ChangedMyMindError(Exception):
        pass

    def change_my_mind() -> None:
        deducted(1)
        raise ChangedMyMindError

    with pytest.raises(ChangedMyMindError), transaction.atomic():
        change_my_mind()

    assert not EventMessage.objects.exists()
    assert deducted(1).sequence == 1


def test_without_a_sink_nothing_is_written(settings: LazySettings) -> None:
    settings.EVENT_SINK_URL = ""
    with transaction.atomic():
        assert emit("stock.deducted", subject="order:1", data={}) is None

    assert not EventMessage.objects.exists()
    assert not EventStream.objects.exists()


def test_numbers_of_a_subject_follow_its_commits_without_gaps(sink_url: str) -> None:
    def emit_some() -> None:
        try:
            for n in range(15):
                try:
                    with transaction.atomic():
                        deducted(7)
                        if n % 3 == 0:
                            raise ZeroDivisionError
                except ZeroDivisionError:
                    continue
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=emit_some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert [number for number, _ in waiting("order:7")] == list(range(1, 41))


# -- which events an order makes -------------------------------------------------


def conforms(message: EventMessage) -> None:
    schemas.check(message.type, message.version, message.data)
    envelope = json.loads(ENVELOPE.read_text())
    Draft202012Validator(envelope).validate(json.loads(encode(message)))
    event = decode(encode(message))
    assert (event.id, event.subject, event.data) == (message.pk, message.subject, message.data)


def finish(order: Order) -> None:
    with lease_on(order) as lease:
        payment.capture_payment(order.pk, order.payments.get().pk, lease)
    with lease_on(order) as lease:
        fulfilment.deduct_inventory(order.pk, lease)
        notification.send_notification(order.notifications.get().pk, lease)


def test_an_order_tells_of_each_transition_and_the_schemas_hold(sink_url: str) -> None:
    receive_stock("MUG", 5, "test")
    order = place_order(command(line("MUG", 2, 1_250)))

    finish(order)

    assert waiting(order.subject) == [
        (1, "order.placed"),
        (2, "order.paid"),
        (3, "stock.deducted"),
        (4, "notification.sent"),
    ]
    for message in EventMessage.objects.all():
        conforms(message)
    paid = EventMessage.objects.get(type="order.paid").data
    assert paid["total_cents"] == 2_500
    assert paid["lines"] == [
        {"sku": "MUG", "title": "Thing MUG", "quantity": 2, "unit_price_cents": 1_250}
    ]


def test_a_declined_order_tells_of_decline_retry_and_expiry(
    sink_url: str, settings: LazySettings
) -> None:
    receive_stock("MUG", 5, "test")
    order = place_order(command(line("MUG"), payment_method="pm_card_visa_chargeDeclined"))
    with lease_on(order) as lease:
        payment.capture_payment(order.pk, order.payments.get().pk, lease)
    payment.retry_payment(order.pk, card("pm_card_visa_chargeDeclined"), uuid.uuid4())
    with lease_on(order) as lease:
        payment.capture_payment(order.pk, order.payments.latest("pk").pk, lease)
    Order.objects.filter(pk=order.pk).update(hold_expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert sweeping.expire_holds() == 1

    assert [name for _, name in waiting(order.subject)] == [
        *("order.placed", "payment.declined", "payment.retried"),
        *("payment.declined", "order.expired"),
    ]
    for message in EventMessage.objects.all():
        conforms(message)


def test_no_event_holds_what_belongs_to_the_shopper(sink_url: str) -> None:
    receive_stock("MUG", 5, "test")
    finish(place_order(command(line("MUG"))))

    told = json.dumps([row.data for row in EventMessage.objects.all()])

    for word in ("alice", "Ahrens", "Quay", "28195", "4242"):
        assert word not in told


# -- the relay ---------------------------------------------------------------------


class RecordingSink:
    """Takes down what it is given; ``decide`` says what becomes of a batch."""

    def __init__(self, decide: Any = None) -> None:
        self.batches: list[list[str]] = []
        self._decide = decide or (lambda batch: Outcome(confirmed={m.id for m in batch}))

    def publish(self, batch: Sequence[Outgoing]) -> Outcome:
        self.batches.append(
            [f"{event.subject}#{event.sequence}" for event in (decode(m.body) for m in batch)]
        )
        outcome: Outcome = self._decide(batch)
        return outcome

    def close(self) -> None:
        pass


def test_a_number_leaves_only_after_the_one_before_it_was_confirmed(sink_url: str) -> None:
    for order_id in (1, 2, 1, 1):
        deducted(order_id)
    sink = RecordingSink()
    one = EventRelay(sink)

    while one.run_once().claimed:
        pass

    assert sink.batches == [["order:1#1", "order:2#1"], ["order:1#2"], ["order:1#3"]]


def test_what_the_sink_leaves_unsettled_stays_and_costs_no_attempt(sink_url: str) -> None:
    first, second = deducted(1), deducted(2)
    sink = RecordingSink(lambda batch: Outcome(confirmed={first.pk}, trouble="away"))

    done = EventRelay(sink).run_once()

    assert (done.claimed, done.published, done.trouble) == (2, 1, "away")
    left = EventMessage.objects.get()
    assert (left.pk, left.attempts, left.refused_at) == (second.pk, 0, None)


def test_a_refused_event_holds_up_its_own_subject_only_until_it_is_sent_again(
    sink_url: str,
) -> None:
    bad = deducted(1)
    deducted(1)
    deducted(2)
    refusing = RecordingSink(
        lambda batch: Outcome(
            confirmed={m.id for m in batch} - {bad.pk},
            refused={m.id: "too large" for m in batch if m.id == bad.pk},
        )
    )
    one = EventRelay(refusing)
    assert one.run_once().refused == 1
    assert one.run_once().claimed == 0  # the second event of order 1 waits behind it
    bad.refresh_from_db()
    assert (bad.attempts, bad.reason) == (1, "too large")

    assert send_again(bad.pk)
    taking = RecordingSink()
    again = EventRelay(taking)
    while again.run_once().claimed:
        pass

    assert taking.batches == [["order:1#1"], ["order:1#2"]]
    assert not send_again(bad.pk)


def test_relays_side_by_side_send_each_event_once_and_in_order(sink_url: str) -> None:
    for _ in range(6):
        for order_id in range(1, 41):
            deducted(order_id)

    def work() -> None:
        try:
            with relay(batch_size=15) as one:
                idle = 0
                while idle < 20:
                    idle = 0 if one.run_once().claimed else idle + 1
                    threading.Event().wait(0.005)
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=90)
    drain()

    numbers: dict[str, list[int]] = {}
    for event in read_all(240):
        numbers.setdefault(event.subject, []).append(event.sequence)
    assert len(numbers) == 40
    assert all(seen == [1, 2, 3, 4, 5, 6] for seen in numbers.values())


def test_a_relay_that_dies_before_it_commits_sends_twice_and_loses_nothing(sink_url: str) -> None:
    class DiedError(Exception):
        pass

    for order_id in range(1, 6):
        deducted(order_id)
        deducted(order_id)
    with relay() as one, pytest.raises(DiedError), transaction.atomic():
        assert one.run_once().published == 5
        raise DiedError  # the process ends between the confirms and the commit

    drain()

    events = read_all(15)
    assert [e.sequence for e in events if e.subject == "order:3"] == [1, 1, 2]
    assert len({event.id for event in events}) == 10


def test_a_sink_that_is_away_is_trouble_and_no_error(settings: LazySettings) -> None:
    settings.EVENT_SINK_URL = "rabbitmq-stream://guest:guest@127.0.0.1:1/nothing"
    deducted(1)

    with relay() as one:
        done = one.run_once()

    assert "is the broker running" in done.trouble
    assert EventMessage.objects.get().attempts == 0


def read_all(count: int) -> list[Any]:
    source = make_source(chosen_address(), "readers")
    try:
        events = [decode(one.body) for one in taken(source, count, done=True)]
        assert source.receive(0.3) is None
        return events
    finally:
        source.close()


# -- settings ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://127.0.0.1/0", "looks like kafka://host:9092/topic"),
        ("kafka://127.0.0.1:9092", "names the topic"),
        ("kafka:///topic", "names no host"),
        ("kafka://host:port/topic", "is not host:port"),
        ("stomp://a:1,b:2/events?groups=sales", "has one host"),
        ("stomp://host/events", "names the groups that will read"),
    ],
)
def test_a_url_that_cannot_be_read_stops_the_start_and_says_what_to_write(
    settings: LazySettings, url: str, words: str
) -> None:
    settings.EVENT_SINK_URL = url

    (error,) = [one for one in run_checks() if one.id == "tasks.E101"]
    assert words in error.msg
    with pytest.raises(CommandError, match="EVENT_SINK_URL"):
        call_command("relay_events")


def test_a_relay_without_a_sink_says_that_events_are_off(settings: LazySettings) -> None:
    settings.EVENT_SINK_URL = ""
    with pytest.raises(CommandError, match="events are off"):
        call_command("relay_events")


def test_the_password_of_a_sink_is_shown_nowhere() -> None:
    address = parse("stomp://user:hush@host/events?groups=a")
    assert "hush" not in f"{address!r} {address.shown}"
    with pytest.raises(BadAddress) as error:
        parse("amqp://user:hush@host/events")
    assert "hush" not in str(error.value)
