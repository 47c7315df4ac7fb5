"""Refunds: reserved when they are asked for, moved once, never more than came."""

from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.db import IntegrityError, transaction
from django.db.models import F

from orders.errors import NotRefundable
from orders.models import Notification, Order, Payment, Refund
from orders.services.lines import LineQuantity
from orders.services.refund import RequestRefund, request_refund
from orders.states import OrderStatus, RefundStatus
from tasks.errors import OutcomeUnknown
from tests.contract.waiting import wait_until
from tests.integration.lives import STAFF, fresh, moved, packed, shipped, taken, units_of
from tests.integration.shopping import line, units

pytestmark = pytest.mark.django_db(transaction=True)


def refund(
    order: Order,
    *lines: LineQuantity,
    cents: int | None = None,
    cause: str = "",
    restock: bool = True,
) -> list[Refund]:
    return request_refund(
        RequestRefund(
            order_id=order.pk,
            cause=cause or f"form:{uuid4()}",
            reason="a chip in the rim",
            actor=STAFF,
            lines=lines,
            amount_cents=cents,
            restock=restock,
        )
    )


def test_a_refund_of_a_line_before_it_ships_gives_back_its_price_and_its_unit() -> None:
    order = packed(line("MUG", 2), line("VASE", 1, price_cents=4_000))

    (part,) = refund(order, units_of(order, "MUG", 1))

    assert part.amount_cents == 1_000
    assert units("MUG") == (4, 0)
    mug = order.lines.get(sku="MUG")
    assert (mug.withdrawn, mug.refunded, mug.to_ship) == (1, 1, 1)
    assert moved(part).status == RefundStatus.MOVED
    assert taken(order) == order.total_cents - 1_000
    assert order.notifications.filter(kind=Notification.Kind.REFUND_SENT).count() == 1


def test_a_refund_of_a_shipped_line_leaves_the_shelf_alone() -> None:
    order = packed(line("MUG", 2))
    shipped(order)

    refund(order, units_of(order, "MUG", 1))

    assert units("MUG") == (3, 0)
    assert order.lines.get().withdrawn == 0


def test_everything_refunded_before_shipping_cancels_the_order() -> None:
    order = packed(line("MUG", 2))

    refund(order)

    assert fresh(order).status == OrderStatus.CANCELLED
    assert units("MUG") == (5, 0)


def test_a_free_amount_leaves_the_units_with_the_order() -> None:
    order = packed(line("MUG", 2))

    refund(order, cents=300)

    assert fresh(order).status == OrderStatus.PAID
    assert order.lines.get().refunded == 0
    assert order.payments.get().refundable_cents == order.total_cents - 300


def test_the_same_form_twice_is_one_refund() -> None:
    order = packed(line("MUG", 2))

    first = refund(order, cents=300, cause="form:1")
    second = refund(order, cents=300, cause="form:1")

    assert first == second
    assert order.payments.get().refund_reserved_cents == 300


def test_more_than_is_left_is_refused_and_the_most_is_told() -> None:
    order = packed(line("MUG", 2))
    refund(order, cents=1_500)

    with pytest.raises(NotRefundable, match=r"At most €.5\.00"):
        refund(order, cents=501)

    assert order.payments.get().refund_reserved_cents == 1_500


@pytest.mark.parametrize("cents", [0, -5])
def test_nothing_and_less_than_nothing_are_refused(cents: int) -> None:
    with pytest.raises(NotRefundable):
        refund(packed(line("MUG")), cents=cents)


def test_a_unit_is_not_refunded_twice() -> None:
    order = packed(line("MUG", 2))
    shipped(order)
    refund(order, units_of(order, "MUG", 2))

    with pytest.raises(NotRefundable, match="only 0"):
        refund(order, units_of(order, "MUG", 1))


def test_a_line_of_another_order_is_refused() -> None:
    order, other = packed(line("MUG")), packed(line("VASE"))

    with pytest.raises(NotRefundable, match="not part of this order"):
        refund(order, units_of(other, "VASE", 1))


def test_the_database_refuses_more_than_was_captured_whatever_the_code_does() -> None:
    order = packed(line("MUG"))

    with pytest.raises(IntegrityError), transaction.atomic():
        Payment.objects.filter(order=order).update(refund_reserved_cents=F("amount_cents") + 1)


def test_a_message_delivered_three_times_moves_the_money_once() -> None:
    order = packed(line("MUG", 2))
    (part,) = refund(order, cents=300)

    for _ in range(3):
        moved(part)

    assert taken(order) == order.total_cents - 300
    assert order.notifications.filter(kind=Notification.Kind.REFUND_SENT).count() == 1


@pytest.mark.parametrize(
    "method", ["pm_sandbox_refund_timeout_after", "pm_sandbox_refund_error_500_after"]
)
def test_silence_after_the_refund_moved_is_asked_again_under_the_same_key(
    method: str, settings: LazySettings
) -> None:
    settings.PAYMENT_TIMEOUT_SECONDS = 0.7
    order = packed(line("MUG"), payment_method=method)
    (part,) = refund(order, cents=300)

    with pytest.raises(OutcomeUnknown):
        moved(part)
    assert Refund.objects.get(pk=part.pk).status == RefundStatus.UNKNOWN
    assert taken(order) == order.total_cents - 300

    assert moved(part).status == RefundStatus.MOVED
    assert taken(order) == order.total_cents - 300


def test_a_refund_that_the_bank_refuses_frees_its_money_for_another_road() -> None:
    order = packed(line("MUG"), payment_method="pm_sandbox_refund_refused")
    (part,) = refund(order, units_of(order, "MUG", 1))

    assert moved(part).status == RefundStatus.REFUSED

    assert part.problem
    assert order.payments.get().refund_reserved_cents == 0
    assert order.lines.get().refunded == 0
    assert order.timeline.filter(kind="refund_refused").exists()


def test_a_refund_that_the_bank_has_only_accepted_is_open_until_it_moves() -> None:
    order = packed(line("MUG"), payment_method="pm_sandbox_refund_pending")
    (part,) = refund(order, cents=300)

    assert moved(part).status == RefundStatus.UNKNOWN
    assert part.gateway_reference

    wait_until(lambda: moved(part).status == RefundStatus.MOVED, seconds=20)
    assert taken(order) == order.total_cents - 300
