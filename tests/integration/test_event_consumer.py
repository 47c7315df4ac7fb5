"""From the sink to the handler: each event counted once, whatever comes twice, fails or dies."""

import signal
import threading
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.db.models.functions import Now
from django.utils import timezone

from orders.models import SalesDay
from orders.services import payment
from orders.services.placement import place_order
from orders.services.sales import record_sale
from orders.services.shelf import receive_stock
from tasks.errors import Permanent
from tasks.event_models import EventMessage, EventReceipt
from tasks.events import receipts
from tasks.events.chosen import chosen_address, make_sink
from tasks.events.consumer import EventConsumer
from tasks.events.envelope import Event, encode
from tasks.events.handling import Done
from tasks.events.sink import Outgoing
from tests.contract.waiting import wait_until
from tests.integration.event_stream import consuming, deducted, drain, manage, sink_url
from tests.integration.shopping import command, lease_on, line

__all__ = ["sink_url"]
pytestmark = pytest.mark.django_db(transaction=True)

GROUP = "sales"
SECONDS = 60


class Notebook:
    """A handler that remembers. ``fail`` may raise."""

    def __init__(self, fail: Callable[[Event], None] = lambda _: None) -> None:
        self.seen: list[tuple[str, int]] = []
        self._fail = fail

    def __call__(self, event: Event) -> None:
        self._fail(event)
        self.seen.append((event.subject, event.sequence))


def consume_until(fact: Callable[[EventConsumer], bool], handler: Callable[[Event], None]) -> None:
    with consuming(GROUP, handler) as (consumer, _):
        wait_until(lambda: fact(consumer), seconds=SECONDS)


def put_into_the_stream(*bodies: bytes) -> None:
    sink = make_sink(chosen_address(), timeout_seconds=15)
    try:
        batch = [Outgoing(uuid.uuid4(), "order:1", body) for body in bodies]
        assert len(sink.publish(batch).confirmed) == len(bodies)
    finally:
        sink.close()


def test_an_event_that_comes_twice_is_handled_once(sink_url: str) -> None:
    body = encode(deducted(1))
    put_into_the_stream(body, body, body)
    notebook = Notebook()

    consume_until(lambda one: one.counts[Done.DUPLICATE] == 2, notebook)

    assert notebook.seen == [("order:1", 1)]


def test_a_second_group_sees_every_event_again(sink_url: str) -> None:
    deducted(1)
    drain()
    first, second = Notebook(), Notebook()
    consume_until(lambda one: one.counts[Done.HANDLED] == 1, first)
    with consuming("audit", second) as (consumer, _):
        wait_until(lambda: consumer.counts[Done.HANDLED] == 1, seconds=SECONDS)

    assert first.seen == second.seen == [("order:1", 1)]


@pytest.mark.parametrize("kind", [ConnectionError, OperationalError])
def test_a_fault_is_tried_again_and_holds_the_events_behind_it_in_order(
    sink_url: str, kind: type[Exception]
) -> None:
    for _ in range(3):
        deducted(1)
    drain()
    faults = iter([kind("away"), kind("away")])

    def fail(event: Event) -> None:
        fault = next(faults, None) if event.sequence == 2 else None
        if fault is not None:
            raise fault

    notebook = Notebook(fail)
    consume_until(lambda one: one.counts[Done.HANDLED] == 3, notebook)

    assert notebook.seen == [("order:1", 1), ("order:1", 2), ("order:1", 3)]


def test_what_a_handler_wrote_before_it_failed_is_not_there(sink_url: str) -> None:
    deducted(1)
    drain()
    tries: list[Event] = []

    def count_and_fail_once(event: Event) -> None:
        SalesDay.objects.create(day=event.occurred_at.date(), sku=f"TRY-{len(tries)}", currency="")
        tries.append(event)
        if len(tries) == 1:
            raise ConnectionError("after the write")

    consume_until(lambda one: one.counts[Done.HANDLED] == 1, count_and_fail_once)

    assert [row.sku for row in SalesDay.objects.all()] == ["TRY-1"]


def test_an_event_that_cannot_be_handled_is_set_aside_and_can_be_sent_again(sink_url: str) -> None:
    deducted(1)
    deducted(1)
    deducted(2)
    drain()

    def refuse(event: Event) -> None:
        if (event.subject, event.sequence) == ("order:1", 1):
            raise Permanent("a column is missing")

    broken, mended = Notebook(refuse), Notebook()
    consume_until(lambda one: one.counts[Done.HANDLED] == 2, broken)
    assert set(broken.seen) == {("order:1", 2), ("order:2", 1)}
    assert EventReceipt.objects.get(subject="order:1", sequence=1).outcome == "dead"

    assert EventConsumer(chosen_address(), GROUP, Notebook(refuse)).redrive()[Done.DEAD] == 1
    assert EventConsumer(chosen_address(), GROUP, mended).redrive()[Done.HANDLED] == 1

    assert mended.seen == [("order:1", 1)]
    assert not EventReceipt.objects.filter(outcome="dead").exists()


def test_bytes_that_are_no_event_are_set_aside_and_the_next_one_is_handled(sink_url: str) -> None:
    put_into_the_stream(b"\x00\xff nonsense", b'{"id": 1}', encode(deducted(1)))
    notebook = Notebook()

    consume_until(lambda one: one.counts[Done.HANDLED] == 1, notebook)

    assert notebook.seen == [("order:1", 1)]
    counts = EventConsumer(chosen_address(), GROUP, notebook).redrive()
    assert counts[Done.DEAD] == 2


def test_a_gap_is_noticed(sink_url: str) -> None:
    event = make_event(sequence=1)
    assert receipts.take(GROUP, event)
    assert list(receipts.missing_before(GROUP, make_event(sequence=2))) == []
    assert list(receipts.missing_before(GROUP, make_event(sequence=5))) == [2, 3, 4]
    assert list(receipts.missing_before("began later", make_event(sequence=5))) == []


def make_event(*, sequence: int) -> Event:
    return Event(uuid.uuid4(), "a.b", 1, "order:1", sequence, timezone.now(), "", {})


def test_receipts_are_forgotten_only_when_nothing_can_ask_for_them(sink_url: str) -> None:
    for sequence in (1, 2):
        receipts.take(GROUP, make_event(sequence=sequence))
    old = Now() - timedelta(days=receipts.KEPT_DAYS + 1)
    EventReceipt.objects.filter(sequence=1).update(at=old)

    assert receipts.prune() == 1
    assert [row.sequence for row in EventReceipt.objects.all()] == [2]


def test_a_consumer_stops_in_the_middle_of_its_retries_and_the_event_comes_again(
    sink_url: str,
) -> None:
    deducted(1)
    drain()
    tried = threading.Event()

    def never(_: Event) -> None:
        tried.set()
        raise ConnectionError("away")

    with consuming(GROUP, never) as (consumer, thread):
        assert tried.wait(SECONDS)
        began = time.monotonic()
        consumer.stop()
        thread.join(timeout=SECONDS)
        assert time.monotonic() - began < 20

    notebook = Notebook()
    consume_until(lambda one: one.counts[Done.HANDLED] == 1, notebook)
    assert notebook.seen == [("order:1", 1)]


def test_two_consumers_of_a_group_count_each_event_once(sink_url: str) -> None:
    for order_id in range(1, 31):
        deducted(order_id)
        deducted(order_id)
    drain()
    notebook = Notebook()

    with consuming(GROUP, notebook) as (one, _), consuming(GROUP, notebook) as (two, _):
        done = (Done.HANDLED, Done.DUPLICATE)
        wait_until(
            lambda: all(sum(c.counts[d] for d in done) == 60 for c in (one, two)), seconds=SECONDS
        )

    assert len(notebook.seen) == len(set(notebook.seen)) == 60


# -- the sales table ------------------------------------------------------------------


def test_the_sales_table_counts_each_paid_order_once_and_no_other(sink_url: str) -> None:
    receive_stock("MUG", 10, "test")
    receive_stock("JUG", 10, "test")
    for units in (1, 2):
        order = place_order(command(line("MUG", units, 1_000), line("JUG", 1, 2_500)))
        with lease_on(order) as lease:
            payment.capture_payment(order.pk, order.payments.get().pk, lease)
    place_order(command(line("MUG", 4)))
    put_into_the_stream(*map(encode, EventMessage.objects.order_by("occurred_at", "sequence")))
    drain()

    consume_until(lambda one: one.counts[Done.DUPLICATE] == 5, record_sale)

    rows = {row.sku: (row.orders, row.units, row.amount_cents) for row in SalesDay.objects.all()}
    assert rows == {"MUG": (2, 3, 3_000), "JUG": (2, 2, 5_000)}


def test_a_version_that_the_sales_table_does_not_know_is_no_guess(sink_url: str) -> None:
    event = Event(uuid.uuid4(), "order.paid", 2, "order:1", 1, timezone.now(), "", {})
    with pytest.raises(Permanent, match="v2 is not known"):
        record_sale(event)


# -- the command ------------------------------------------------------------------------


def test_a_group_without_a_handler_is_told_how_to_name_one(sink_url: str) -> None:
    with pytest.raises(CommandError, match="--handler"):
        call_command("consume_events", "--group", "nobody")
    with pytest.raises(CommandError, match="cannot be imported"):
        call_command("consume_events", "--group", "x", "--handler", "orders.nothing.at_all")
    with pytest.raises(CommandError, match="no name for a group"):
        call_command("consume_events", "--group", "a b", "--handler", "orders.services.sales")


def test_both_commands_work_as_processes_and_end_on_sigterm(sink_url: str) -> None:
    receive_stock("MUG", 10, "test")
    order = place_order(command(line("MUG")))
    with lease_on(order) as lease:
        payment.capture_payment(order.pk, order.payments.get().pk, lease)

    processes = [manage("relay_events"), manage("consume_events", "--group", "sales")]
    try:
        wait_until(lambda: SalesDay.objects.filter(sku="MUG", units=1).exists(), seconds=60)
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(timeout=40) for process in processes]
    assert codes == [0, 0]
