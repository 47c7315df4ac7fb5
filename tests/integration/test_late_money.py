"""Money that comes when nobody waits for it: kept, sent back, or shown; never forgotten."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models.functions import Now

from orders.errors import NotRefundable
from orders.models import Notification, Order
from orders.selectors import money
from orders.services.payment import retry_payment
from orders.services.refund import RequestRefund, refund_overpayment, request_refund
from orders.services.returns import ReceivedLine, receive_return
from orders.services.settlement import recheck_payment
from orders.services.shelf import write_off
from orders.services.sweeping import expire_holds
from orders.states import OrderStatus, PaymentStatus
from tests.integration.lives import (
    STAFF,
    announced,
    captured,
    fresh,
    moved,
    packed,
    packed_from,
    shipped,
    taken,
    units_of,
)
from tests.integration.shopping import card, lease_on, line, placed, units

pytestmark = pytest.mark.django_db(transaction=True)


def taken_but_told_declined() -> Order:
    """The bank took the money; the shop believed that it declined."""
    order = captured(placed())
    order.payments.update(status=PaymentStatus.DECLINED, decline_message="no", gateway_reference="")
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.PAYMENT_FAILED, paid_at=None)
    return fresh(order)


def expired(order: Order) -> Order:
    Order.objects.filter(pk=order.pk).update(hold_expires_at=Now() - timedelta(seconds=1))
    assert expire_holds() == 1
    return fresh(order)


def rechecked(order: Order) -> Order:
    payment = order.payments.earliest("pk")
    with lease_on(order) as lease:
        recheck_payment(order.pk, payment.pk, lease)
    return fresh(order)


def told(order: Order) -> set[str]:
    return set(order.notifications.values_list("kind", flat=True))


def test_money_for_a_declined_order_pays_it() -> None:
    order = rechecked(taken_but_told_declined())

    assert order.status == OrderStatus.PAID
    assert taken(order) == order.total_cents


def test_money_for_an_expired_order_takes_the_units_again() -> None:
    order = rechecked(expired(taken_but_told_declined()))

    assert order.status == OrderStatus.PAID
    assert units("MUG") == (5, 1)
    assert Notification.Kind.LATE_MONEY_KEPT in told(order)
    assert order.timeline.filter(kind="late_money_kept").exists()
    assert packed_from(order).packed_at is not None


def test_money_for_an_expired_order_whose_units_are_gone_goes_back_by_itself() -> None:
    order = expired(taken_but_told_declined())
    write_off("MUG", 5, "sold elsewhere", actor=STAFF)

    order = rechecked(order)

    assert order.status == OrderStatus.EXPIRED
    moved(order.refunds.get())
    assert taken(order) == 0
    assert units("MUG") == (0, 0)
    assert Notification.Kind.LATE_MONEY_REFUNDED in told(order)


def test_money_is_written_down_once_however_often_it_is_looked_for() -> None:
    order = expired(taken_but_told_declined())

    for _ in range(3):
        order = rechecked(order)

    assert order.timeline.filter(kind="late_money_kept").count() == 1
    assert units("MUG") == (5, 1)


def test_a_recheck_that_finds_nothing_changes_nothing() -> None:
    order = captured(placed(payment_method="pm_card_visa_chargeDeclined"))

    assert rechecked(order).status == OrderStatus.PAYMENT_FAILED


def test_an_order_paid_twice_shows_it_and_is_given_back_once() -> None:
    order = taken_but_told_declined()
    retry_payment(order.pk, card(), uuid4())
    captured(order)

    order = rechecked(order)

    assert order.status == OrderStatus.PAID
    assert money(order).overpaid_cents == order.total_cents
    for _ in range(2):
        refunds = refund_overpayment(order.pk, actor=STAFF, cause="overpaid:1")
    moved(refunds[0])
    assert taken(order) == order.total_cents
    assert money(fresh(order)).overpaid_cents == 0
    with pytest.raises(NotRefundable, match="not paid twice"):
        refund_overpayment(order.pk, actor=STAFF, cause="overpaid:2")


def test_money_for_one_card_ends_the_payment_of_the_other_before_the_bank_is_asked() -> None:
    order = taken_but_told_declined()
    retry_payment(order.pk, card(), uuid4())

    order = rechecked(order)
    captured(order)

    assert order.status == OrderStatus.PAID
    assert [p.status for p in order.payments.all()] == ["captured", "cancelled"]
    assert taken(order) == order.total_cents


def test_a_return_refunded_below_its_price_is_not_taken_for_money_that_came_twice() -> None:
    order = packed(line("MUG", 2))
    shipped(order)
    coming = announced(order)
    came = ReceivedLine(coming.lines.get().line_id, 2, 0)
    receive_return(coming.pk, received=(came,), refund_cents=1_200, actor=STAFF)

    assert money(fresh(order)).overpaid_cents == 0


def test_units_refunded_from_an_order_paid_twice_leave_the_rest_to_be_given_back() -> None:
    order = taken_but_told_declined()
    retry_payment(order.pk, card(), uuid4())
    order = packed_from(rechecked(captured(order)))
    shipped(order)
    ask = RequestRefund(order.pk, "form:1", "a chip", STAFF, lines=(units_of(order, "MUG", 1),))
    request_refund(replace(ask, amount_cents=400))

    assert money(fresh(order)).overpaid_cents == order.total_cents
