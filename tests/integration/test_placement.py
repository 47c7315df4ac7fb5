"""Placing an order: one transaction, one order per key, never more than there is."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, connections, transaction

from orders.errors import EmptyOrder, OutOfStock, UnknownSku
from orders.models import Order, Payment, StockHold, StockItem, StockMovement, TimelineEvent
from orders.services.placement import PlaceOrder, place_order
from orders.services.shelf import receive_stock
from tasks.models import OutboxMessage
from tests.integration.shopping import command, line, placed, units

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(commands: list[PlaceOrder]) -> Counter[str]:
    """Place all of them at the same moment, each on its own connection; what came of them."""
    gate = Barrier(len(commands))

    def go(one: PlaceOrder) -> str:
        gate.wait(timeout=30)
        try:
            return place_order(one).number
        except OutOfStock:
            return "out of stock"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(commands)) as buyers:
        return Counter(buyers.map(go, commands))


def test_an_order_holds_its_stock_and_leaves_its_first_message_behind() -> None:
    order = placed("MUG", stock=5)

    assert units("MUG") == (5, 1)
    message = OutboxMessage.objects.get()
    assert (message.task, message.subject) == ("orders.capture_payment", f"order:{order.pk}")
    assert message.kwargs == {"order_id": order.pk, "payment_id": order.payments.get().pk}
    assert [event.kind for event in order.timeline.all()] == ["placed"]


def test_the_same_key_is_the_same_order() -> None:
    receive_stock("MUG", 5, "test")
    key = uuid4()

    first = place_order(command(line("MUG"), key=key))
    second = place_order(command(line("MUG"), key=key))

    assert first == second
    assert units("MUG") == (5, 1)


def test_the_same_key_twenty_times_at_once_is_one_order() -> None:
    receive_stock("MUG", 50, "test")
    key = uuid4()

    answers = at_once([command(line("MUG"), key=key) for _ in range(20)])

    assert len(answers) == 1
    assert Order.objects.count() == Payment.objects.count() == OutboxMessage.objects.count() == 1
    assert units("MUG") == (50, 1)


def test_fifty_buyers_of_ten_units_make_ten_orders() -> None:
    receive_stock("MUG", 10, "test")

    answers = at_once([command(line("MUG")) for _ in range(50)])

    assert answers["out of stock"] == 40
    assert Order.objects.count() == 10
    assert units("MUG") == (10, 10)


def test_buyers_of_the_same_two_things_never_wait_for_each_other_in_a_circle() -> None:
    receive_stock("A", 100, "test")
    receive_stock("B", 100, "test")
    before = deadlocks()

    at_once(
        [
            command(line("A"), line("B")) if n % 2 else command(line("B"), line("A"))
            for n in range(30)
        ]
    )

    assert (units("A"), units("B")) == ((100, 30), (100, 30))
    assert deadlocks() == before


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def test_too_little_stock_names_every_short_line_and_leaves_nothing_behind() -> None:
    receive_stock("A", 1, "test")
    receive_stock("B", 9, "test")
    receive_stock("C", 2, "test")

    with pytest.raises(OutOfStock) as refusal:
        place_order(command(line("C", 3), line("B", 1), line("A", 2)))

    told = [(short.sku, short.requested, short.available) for short in refusal.value.shortages]
    assert told == [("A", 2, 1), ("C", 3, 2)]
    assert (units("A"), units("B"), units("C")) == ((1, 0), (9, 0), (2, 0))
    assert not Order.objects.exists()
    assert not OutboxMessage.objects.exists()


def test_two_lines_of_one_sku_are_checked_together() -> None:
    receive_stock("MUG", 3, "test")

    with pytest.raises(OutOfStock):
        place_order(command(line("MUG", 2), line("MUG", 2)))

    assert units("MUG") == (3, 0)


@pytest.mark.parametrize(
    ("lines", "error"),
    [((), EmptyOrder), ((line("MUG", 0),), EmptyOrder), ((line("MUG", -1),), EmptyOrder)],
)
def test_an_order_of_nothing_is_refused(lines: tuple[object, ...], error: type[Exception]) -> None:
    receive_stock("MUG", 3, "test")

    with pytest.raises(error):
        place_order(command(*lines))  # type: ignore[arg-type]  # parametrize loses the type

    assert units("MUG") == (3, 0)


def test_a_sku_that_was_never_in_stock_is_named() -> None:
    with pytest.raises(UnknownSku, match="GHOST"):
        place_order(command(line("GHOST")))


def oversell() -> None:
    StockItem.objects.update(held=999)


def sell_into_the_red() -> None:
    StockItem.objects.update(on_hand=-1)


def rewrite_the_ledger() -> None:
    StockMovement.objects.update(quantity=1_000)


def erase_the_ledger() -> None:
    StockMovement.objects.all().delete()


def rewrite_history() -> None:
    TimelineEvent.objects.update(text="nothing happened")


def hold_a_line_twice() -> None:
    hold = StockHold.objects.get()
    StockHold.objects.create(line=hold.line, sku=hold.sku, quantity=1)


def open_a_second_payment() -> None:
    payment = Payment.objects.get()
    payment.pk = None
    payment.idempotency_key, payment.form_key = uuid4(), uuid4()
    payment.save(force_insert=True)


def forget_the_price() -> None:
    Order.objects.update(total_cents=0)


def pack_unpaid() -> None:
    Order.objects.update(fulfilment="packed")


@pytest.mark.parametrize(
    "wrong",
    [
        oversell,
        sell_into_the_red,
        rewrite_the_ledger,
        erase_the_ledger,
        rewrite_history,
        hold_a_line_twice,
        open_a_second_payment,
        forget_the_price,
        pack_unpaid,
    ],
)
def test_the_database_itself_refuses_a_wrong_write(wrong: Callable[[], None]) -> None:
    placed("MUG", stock=5)

    with pytest.raises(IntegrityError), transaction.atomic():
        wrong()
