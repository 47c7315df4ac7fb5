"""Capturing: asked any number of times, by any worker, the money moves once."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.utils import timezone

from orders.errors import NotPayable
from orders.gateways.chosen import get_gateway
from orders.locks import claim_order
from orders.models import Notification, Order
from orders.services.payment import capture_payment, retry_payment
from orders.states import OrderStatus, PaymentStatus
from tasks.errors import LeaseLost, OutcomeUnknown
from tasks.models import OutboxMessage
from tests.integration.shopping import card, lease_on, placed, units

pytestmark = pytest.mark.django_db(transaction=True)


def captures_of(order: Order) -> int:
    return sum(capture.order_number == order.number for capture in get_gateway().captures())


def capture(order: Order) -> None:
    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.latest("pk").pk, lease)
    order.refresh_from_db()


def tasks_waiting() -> list[str]:
    return sorted(OutboxMessage.objects.values_list("task", flat=True))


def test_a_captured_payment_pays_the_order_and_calls_the_next_step() -> None:
    order = placed()

    capture(order)

    payment = order.payments.get()
    assert (order.status, payment.status) == (OrderStatus.PAID, PaymentStatus.CAPTURED)
    assert payment.gateway_reference.startswith("pi_")
    assert tasks_waiting() == ["orders.capture_payment", "orders.deduct_inventory"]
    assert captures_of(order) == 1


def test_a_message_delivered_three_times_charges_once() -> None:
    order = placed()

    for _ in range(3):
        capture(order)

    assert captures_of(order) == 1
    assert tasks_waiting().count("orders.deduct_inventory") == 1


def test_a_declined_card_keeps_the_stock_and_owes_a_mail() -> None:
    order = placed(payment_method="pm_card_visa_chargeDeclinedInsufficientFunds")

    capture(order)

    payment = order.payments.get()
    assert (order.status, payment.status) == (OrderStatus.PAYMENT_FAILED, PaymentStatus.DECLINED)
    assert payment.decline_code == "insufficient_funds"
    assert units("MUG") == (5, 1)
    assert order.notifications.get().kind == Notification.Kind.PAYMENT_DECLINED
    assert captures_of(order) == 0


@pytest.mark.parametrize(
    ("payment_method", "moved_while_silent"),
    [("pm_sandbox_error_500_after", 1), ("pm_sandbox_timeout_after", 1)],
)
def test_silence_after_the_money_moved_is_asked_again_and_charged_once(
    payment_method: str, moved_while_silent: int, settings: LazySettings
) -> None:
    settings.PAYMENT_TIMEOUT_SECONDS = 0.7
    order = placed(payment_method=payment_method)

    with pytest.raises(OutcomeUnknown):
        capture(order)
    order.refresh_from_db()
    assert (order.status, order.payments.get().status) == ("placed", PaymentStatus.UNKNOWN)
    assert captures_of(order) == moved_while_silent
    capture(order)

    assert order.status == OrderStatus.PAID
    assert captures_of(order) == 1


def test_a_worker_whose_lease_was_overtaken_writes_nothing() -> None:
    order = placed()

    with lease_on(order) as slow:
        claim_order(order.pk, slow.token + 1_000)
        with pytest.raises(LeaseLost):
            capture_payment(order.pk, order.payments.get().pk, slow)

    order.refresh_from_db()
    assert order.status == OrderStatus.PLACED
    assert order.fence == slow.token + 1_000
    assert captures_of(order) == 0


def test_a_worker_overtaken_while_the_bank_thinks_writes_nothing_and_charges_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = placed()
    real = get_gateway()

    class Overtaking:
        """The real gateway; while it answers, a newer worker claims the order."""

        def capture(self, request: object) -> object:
            answer = real.capture(request)  # type: ignore[arg-type]
            claim_order(order.pk, order.fence + 10**17)
            return answer

    monkeypatch.setattr("orders.services.payment.get_gateway", Overtaking)
    with pytest.raises(LeaseLost):
        capture(order)
    order.refresh_from_db()
    assert order.status == OrderStatus.PLACED
    assert captures_of(order) == 1

    monkeypatch.undo()
    Order.objects.filter(pk=order.pk).update(fence=0)
    capture(order)
    assert order.status == OrderStatus.PAID
    assert captures_of(order) == 1


def test_another_card_pays_a_declined_order() -> None:
    order = placed(payment_method="pm_card_visa_chargeDeclined")
    capture(order)

    retry_payment(order.pk, card(), uuid4())
    capture(order)

    assert order.status == OrderStatus.PAID
    assert [payment.status for payment in order.payments.all()] == ["declined", "captured"]
    assert captures_of(order) == 1


def test_the_form_for_another_card_sent_twice_is_one_payment() -> None:
    order = placed(payment_method="pm_card_visa_chargeDeclined")
    capture(order)
    key = uuid4()

    retry_payment(order.pk, card(), key)
    retry_payment(order.pk, card(), key)

    assert order.payments.count() == 2


def test_a_paid_order_takes_no_other_card() -> None:
    order = placed()
    capture(order)

    with pytest.raises(NotPayable):
        retry_payment(order.pk, card(), uuid4())

    assert order.payments.count() == 1


def test_a_card_that_comes_after_the_hold_ended_is_refused() -> None:
    order = placed(payment_method="pm_card_visa_chargeDeclined")
    capture(order)
    Order.objects.update(hold_expires_at=timezone.now() - timedelta(seconds=1))

    with pytest.raises(NotPayable):
        retry_payment(order.pk, card(), uuid4())


def test_no_money_is_asked_for_that_nobody_waits_for() -> None:
    order = placed()
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.EXPIRED)

    with pytest.raises(OutcomeUnknown, match="may be under way"):
        capture(order)
    assert captures_of(order) == 0

    # Longer than any request can be under way.
    order.payments.update(asked_at=timezone.now() - timedelta(hours=1))
    capture(order)
    assert order.payments.get().status == PaymentStatus.CANCELLED
    assert captures_of(order) == 0


def test_a_payment_whose_key_the_bank_may_have_forgotten_is_looked_up_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = placed()
    capture(order)
    order.payments.update(
        status=PaymentStatus.UNKNOWN, asked_at=timezone.now() - timedelta(hours=30)
    )
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.PLACED)
    monkeypatch.setattr("orders.services.payment._request", lambda _: pytest.fail("asked again"))

    capture(order)

    assert order.status == OrderStatus.PAID
    assert captures_of(order) == 1
