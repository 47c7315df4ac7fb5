"""What stands still is found: moved on, given back, or left to a person."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from kombu import Connection

from config.celery import app
from orders.models import Notification, Order, StockHold
from orders.services.payment import capture_payment
from orders.services.sweeping import expire_holds, resume_stuck_orders
from orders.states import HoldStatus, OrderStatus
from tasks import dead_letters, dead_queues, topology
from tasks.delivery import read_delivery
from tasks.errors import Permanent
from tasks.models import DeadLetter, OutboxMessage
from tests.contract.waiting import wait_until
from tests.integration.shopping import lease_on, placed, units

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = timedelta(hours=1)


def declined() -> Order:
    order = placed(payment_method="pm_card_visa_chargeDeclined")
    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.get().pk, lease)
    return order


def stand_still() -> None:
    """As if everything had been left alone for an hour, its message lost."""
    OutboxMessage.objects.all().delete()
    past = Now() - LONG_AGO
    Order.objects.update(changed_at=past, placed_at=past)
    Notification.objects.update(created_at=past)


def test_a_declined_order_gives_its_stock_back_when_its_hold_ends() -> None:
    order = declined()
    Order.objects.update(hold_expires_at=timezone.now() - timedelta(seconds=1))

    assert expire_holds() == 1
    assert expire_holds() == 0

    order.refresh_from_db()
    assert order.status == OrderStatus.EXPIRED
    assert units("MUG") == (5, 0)
    assert StockHold.objects.get().status == HoldStatus.RELEASED
    kinds = set(order.notifications.values_list("kind", flat=True))
    assert kinds == {"payment_declined", "order_expired"}


def test_an_order_whose_money_is_in_flight_never_expires() -> None:
    order = placed()
    Order.objects.update(hold_expires_at=timezone.now() - LONG_AGO)

    assert expire_holds() == 0

    order.refresh_from_db()
    assert order.status == OrderStatus.PLACED
    assert units("MUG") == (5, 1)


def test_a_hold_that_has_not_ended_is_kept() -> None:
    declined()

    assert expire_holds() == 0
    assert units("MUG") == (5, 1)


def test_an_order_whose_message_was_lost_is_sent_on() -> None:
    order = placed()
    stand_still()

    assert resume_stuck_orders() == 1

    message = OutboxMessage.objects.get()
    assert (message.task, message.subject) == ("orders.capture_payment", order.subject)
    assert message.kwargs["payment_id"] == order.payments.get().pk


def test_an_order_that_was_just_resumed_is_left_alone() -> None:
    placed()
    stand_still()
    resume_stuck_orders()
    OutboxMessage.objects.all().delete()

    assert resume_stuck_orders() == 0


def test_a_paid_order_that_was_not_packed_is_sent_on() -> None:
    order = placed()
    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.get().pk, lease)
    stand_still()

    resume_stuck_orders()

    assert OutboxMessage.objects.get().task == "orders.deduct_inventory"


def test_a_mail_that_was_not_sent_is_sent_on() -> None:
    order = declined()
    stand_still()

    assert resume_stuck_orders() == 1

    assert OutboxMessage.objects.get().kwargs == {"notification_id": order.notifications.get().pk}


def test_an_order_with_a_message_waiting_is_left_alone() -> None:
    order = placed()
    waiting = OutboxMessage.objects.get()
    Order.objects.filter(pk=order.pk).update(changed_at=Now() - LONG_AGO)

    assert resume_stuck_orders() == 0
    assert OutboxMessage.objects.get() == waiting


def test_an_order_that_needs_a_person_is_left_to_one() -> None:
    order = placed()
    stand_still()
    delivery = read_delivery("m", "orders.capture_payment", {}, {"subject": order.subject})
    dead_letters.record(delivery, Permanent("wrong key"), "permanent error")

    assert resume_stuck_orders() == 0
    assert not OutboxMessage.objects.exists()


def test_an_order_that_cannot_be_helped_does_not_keep_the_sweep_from_the_others() -> None:
    broken = declined()
    StockHold.objects.filter(line__order=broken).update(quantity=999)
    whole = placed("BOWL", payment_method="pm_card_visa_chargeDeclined")
    with lease_on(whole) as lease:
        capture_payment(whole.pk, whole.payments.get().pk, lease)
    Order.objects.update(hold_expires_at=timezone.now() - LONG_AGO)
    Order.objects.filter(pk=broken.pk).update(hold_expires_at=timezone.now() - 2 * LONG_AGO)

    assert expire_holds() == 1

    assert units("BOWL") == (5, 0)
    broken.refresh_from_db()
    assert broken.status == OrderStatus.PAYMENT_FAILED


def test_a_sweep_that_nobody_took_in_time_is_no_dead_letter(channel_to_broker: Connection) -> None:
    """Celery gives such a message a time to live, and the broker moves it to the dead queue."""
    app.send_task("orders.expire_holds", expires=0.05)
    dead: Any = topology.dead_queue("orders.maintenance")(channel_to_broker.default_channel)
    wait_until(lambda: dead.queue_declare(passive=True).message_count == 1, seconds=20)

    assert dead_queues.collect() == 0

    assert not DeadLetter.objects.exists()
    assert dead.get(no_ack=True) is None
