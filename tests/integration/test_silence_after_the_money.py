"""The bank goes silent after it moved the money: one movement, and the right state, every time.

``SILENT_RUNS=100`` is the long form; docs/lifecycle-check.md says what it came to.
"""

import os
from uuid import uuid4

import pytest
from django.conf import LazySettings

from orders.gateways.chosen import get_gateway
from orders.models import Order
from orders.services.fulfilment import deduct_inventory
from orders.services.payment import capture_payment
from orders.services.refund import RequestRefund, request_refund
from orders.services.refunding import move_refund
from orders.states import OrderStatus, PaymentStatus, RefundStatus
from tasks.errors import OutcomeUnknown
from tests.integration.shopping import lease_on, placed

RUNS = int(os.environ.get("SILENT_RUNS", "5"))
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(60 + 10 * RUNS)]


@pytest.fixture(autouse=True)
def _impatient(settings: LazySettings) -> None:
    settings.PAYMENT_TIMEOUT_SECONDS = 0.7


def captures_of(order: Order) -> int:
    return sum(one.order_number == order.number for one in get_gateway().captures())


def refunded_cents(order: Order) -> list[int]:
    return [one.amount_cents for one in get_gateway().refunds() if one.order_number == order.number]


def capture(order: Order) -> None:
    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.get().pk, lease)


def test_a_capture_that_was_not_answered_takes_the_money_once_in_every_run() -> None:
    for _ in range(RUNS):
        order = placed(payment_method="pm_sandbox_timeout_after")
        with pytest.raises(OutcomeUnknown):
            capture(order)
        assert captures_of(order) == 1
        assert order.payments.get().status == PaymentStatus.UNKNOWN

        capture(order)
        capture(order)

        order.refresh_from_db()
        payment = order.payments.get()
        assert captures_of(order) == 1
        assert (order.status, payment.status) == (OrderStatus.PAID, PaymentStatus.CAPTURED)


def test_a_refund_that_was_not_answered_moves_the_money_once_in_every_run() -> None:
    for _ in range(RUNS):
        order = placed(payment_method="pm_sandbox_refund_timeout_after")
        capture(order)
        with lease_on(order) as lease:
            deduct_inventory(order.pk, lease)
        asked = RequestRefund(order.pk, f"form:{uuid4()}", "scratched", "staff", amount_cents=300)
        (refund,) = request_refund(asked)
        with pytest.raises(OutcomeUnknown), lease_on(order) as lease:
            move_refund(order.pk, refund.pk, lease)
        assert refunded_cents(order) == [300]
        refund.refresh_from_db()
        assert refund.status == RefundStatus.UNKNOWN

        for _again in range(2):
            with lease_on(order) as lease:
                move_refund(order.pk, refund.pk, lease)

        refund.refresh_from_db()
        assert refunded_cents(order) == [300]
        assert refund.status == RefundStatus.MOVED
        assert order.payments.get().refund_reserved_cents == 300
