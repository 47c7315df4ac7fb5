"""Cancelling: units and money go back once, whoever else is at work on the order."""

import pytest

from orders.errors import NotCancellable
from orders.models import Notification, Order, StockMovement
from orders.services.cancellation import cancel_order
from orders.states import OrderStatus, PaymentStatus, RefundStatus
from tests.integration.lives import (
    STAFF,
    before_the_bank_answers,
    captured,
    fresh,
    moved,
    packed,
    packed_from,
    paid,
    shipped,
    taken,
    units_of,
)
from tests.integration.shopping import line, placed, units

pytestmark = pytest.mark.django_db(transaction=True)


def cancel(order: Order, *, restock: bool = True) -> Order:
    cancel_order(order.pk, actor=STAFF, reason="out of tune", restock=restock)
    return fresh(order)


def kinds(order: Order) -> list[str]:
    return sorted(order.notifications.values_list("kind", flat=True))


def test_an_order_that_the_bank_was_not_asked_about_is_cancelled_with_its_payment() -> None:
    order = cancel(placed())

    assert order.status == OrderStatus.CANCELLED
    assert order.payments.get().status == PaymentStatus.CANCELLED
    assert units("MUG") == (5, 0)
    assert kinds(order) == [Notification.Kind.ORDER_CANCELLED]
    assert "out of tune" in order.timeline.get(kind="cancelled").text


def test_the_message_of_a_cancelled_payment_asks_the_bank_nothing() -> None:
    order = placed()
    payment = order.payments.get()
    cancel(order)

    captured(order, payment)

    assert taken(order) == 0


def test_an_order_cancelled_while_the_bank_thinks_gets_its_money_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = placed()

    with before_the_bank_answers(monkeypatch, lambda: cancel(order)):
        captured(order)

    refund = order.refunds.get()
    assert fresh(order).status == OrderStatus.CANCELLED
    assert order.payments.get().status == PaymentStatus.CAPTURED
    assert moved(refund).status == RefundStatus.MOVED
    assert taken(order) == 0
    assert Notification.Kind.LATE_MONEY_REFUNDED in kinds(order)


def test_a_paid_order_that_is_not_packed_yet_gives_back_hold_and_money() -> None:
    order = cancel(paid())

    assert order.refunds.get().amount_cents == order.total_cents
    assert units("MUG") == (5, 0)
    assert packed_from(order).packed_at is None


def test_a_packed_order_goes_back_on_the_shelf() -> None:
    order = cancel(packed(line("MUG", 2)))

    moved(order.refunds.get())

    assert units("MUG") == (5, 0)
    assert taken(order) == 0
    assert order.lines.get().to_ship == 0


def test_a_packed_order_can_be_written_off_and_the_ledger_shows_both() -> None:
    cancel(packed(line("MUG", 2)), restock=False)

    moves = StockMovement.objects.filter(sku="MUG").order_by("pk")
    assert [(m.kind, m.quantity) for m in moves] == [
        *(("received", 5), ("deducted", -2), ("returned", 2), ("damaged", -2))
    ]
    assert units("MUG") == (3, 0)


def test_cancelling_twice_gives_back_once() -> None:
    order = packed(line("MUG"))
    cancel(order)
    cancel(order)

    assert order.refunds.count() == 1
    assert units("MUG") == (5, 0)


def test_an_order_with_a_parcel_on_its_way_is_not_cancelled() -> None:
    order = packed(line("MUG", 2))
    shipped(order, units_of(order, "MUG", 1))

    with pytest.raises(NotCancellable, match="on its way"):
        cancel(order)

    assert fresh(order).status == OrderStatus.PAID
    assert not order.refunds.exists()


def test_a_cancellation_needs_a_reason() -> None:
    order = placed()

    with pytest.raises(NotCancellable, match="why"):
        cancel_order(order.pk, actor=STAFF, reason="  ")

    assert fresh(order).status == OrderStatus.PLACED


def test_a_declined_order_can_be_cancelled_and_takes_no_other_card() -> None:
    order = captured(placed(payment_method="pm_card_visa_chargeDeclined"))

    order = cancel(order)

    assert order.status == OrderStatus.CANCELLED
    assert units("MUG") == (5, 0)
