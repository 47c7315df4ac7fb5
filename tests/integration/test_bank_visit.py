"""3-D Secure: the bank wants to see the shopper, who goes, refuses, or never comes."""

from datetime import timedelta

import httpx
import pytest
from django.db.models.functions import Now

from orders.models import Notification, Order, Payment
from orders.services.payment import ask_again, capture_payment, give_up_action
from orders.services.sweeping import expire_holds, remind_of_holds, resume_stuck_orders
from orders.states import OrderStatus, PaymentStatus
from tasks.models import OutboxMessage
from tests.integration.lives import captured, fresh, taken
from tests.integration.shopping import lease_on, placed, units

pytestmark = pytest.mark.django_db(transaction=True)

CARD = "pm_card_authenticationRequired"


def sent_to_the_bank() -> Order:
    order = captured(placed(payment_method=CARD))
    assert order.payments.get().status == PaymentStatus.ACTION_REQUIRED
    return order


def answers(order: Order, word: str) -> None:
    """The shopper presses a button on the bank's page."""
    url = order.payments.get().redirect_url
    page = httpx.get(url, trust_env=False).raise_for_status()
    assert f"10.00 EUR for Order {order.number}" in page.text
    httpx.post(url, data={"answer": word}, trust_env=False, follow_redirects=False)


def test_the_order_waits_with_its_units_and_the_shopper_is_told() -> None:
    order = sent_to_the_bank()

    assert order.status == OrderStatus.PLACED
    assert units("MUG") == (5, 1)
    assert order.payments.get().redirect_url.startswith("http")
    assert order.notifications.get().kind == Notification.Kind.ACTION_REQUIRED
    assert taken(order) == 0


def test_a_shopper_who_says_yes_has_paid_when_the_bank_is_asked_again() -> None:
    order = sent_to_the_bank()
    answers(order, "yes")

    order = captured(order)

    assert order.status == OrderStatus.PAID
    assert order.payments.get().redirect_url == ""
    assert taken(order) == order.total_cents


def test_a_shopper_who_says_no_may_give_another_card() -> None:
    order = sent_to_the_bank()
    answers(order, "no")

    order = captured(order)

    assert order.status == OrderStatus.PAYMENT_FAILED
    assert order.payments.get().status == PaymentStatus.DECLINED
    assert taken(order) == 0


def test_asking_while_the_shopper_is_at_the_bank_changes_nothing() -> None:
    order = sent_to_the_bank()

    order = captured(captured(order))

    assert order.payments.get().status == PaymentStatus.ACTION_REQUIRED
    assert order.notifications.count() == 1


def test_browser_and_webhook_together_are_one_message() -> None:
    order = sent_to_the_bank()
    OutboxMessage.objects.all().delete()

    for _ in range(3):
        ask_again(order.pk)

    assert OutboxMessage.objects.count() == 1


def test_a_shopper_who_rather_takes_another_card_frees_the_order_from_the_bank() -> None:
    order = sent_to_the_bank()
    give_up_action(order.pk)
    kwargs = OutboxMessage.objects.get(dedupe_key__startswith="give_up:").kwargs

    with lease_on(order) as lease:
        capture_payment(order.pk, kwargs["payment_id"], lease, give_up=kwargs["give_up"])

    assert fresh(order).status == OrderStatus.PAYMENT_FAILED
    assert order.payments.get().status == PaymentStatus.CANCELLED


def test_a_shopper_who_said_yes_just_before_giving_up_has_paid() -> None:
    order = sent_to_the_bank()
    answers(order, "yes")

    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.get().pk, lease, give_up=True)

    assert fresh(order).status == OrderStatus.PAID


def test_a_shopper_who_never_comes_loses_the_units_when_the_hold_ends() -> None:
    order = sent_to_the_bank()
    OutboxMessage.objects.all().delete()
    Order.objects.update(hold_expires_at=Now() - timedelta(seconds=1))
    assert expire_holds() == 0

    assert resume_stuck_orders() == 1
    captured(order)
    assert expire_holds() == 1

    assert fresh(order).status == OrderStatus.EXPIRED
    assert order.payments.get().status == PaymentStatus.CANCELLED
    assert units("MUG") == (5, 0)


def test_a_shopper_whose_hold_ends_soon_is_reminded_once() -> None:
    order = sent_to_the_bank()
    Order.objects.update(hold_expires_at=Now() + timedelta(minutes=1))

    assert (remind_of_holds(), remind_of_holds()) == (1, 0)

    kinds = order.notifications.values_list("kind", flat=True)
    assert Notification.Kind.HOLD_EXPIRING in kinds


def test_a_payment_that_waits_at_the_bank_is_not_taken_for_stuck() -> None:
    sent_to_the_bank()
    OutboxMessage.objects.all().delete()
    Order.objects.update(changed_at=Now() - timedelta(hours=1))
    Payment.objects.update(created_at=Now() - timedelta(hours=1))

    assert resume_stuck_orders() == 0
