"""The row refuses who may no longer write."""

import threading
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from orders.models import Order
from tasks import fencing
from tasks.errors import LeaseLost

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def order() -> Order:
    return Order.objects.create(
        idempotency_key=uuid4(),
        currency="EUR",
        total_cents=100,
        hold_expires_at=timezone.now(),
    )


def test_a_paused_holder_cannot_overwrite_a_newer_one(order: Order) -> None:
    fencing.claim(Order, order.pk, 5)
    fencing.claim(Order, order.pk, 9)
    with pytest.raises(LeaseLost, match="newer lease"):
        fencing.fenced_update(Order, order.pk, 5, ship_to_city="Late")
    with pytest.raises(LeaseLost):
        fencing.claim(Order, order.pk, 5)
    assert fencing.fenced_update(Order, order.pk, 9, ship_to_city="Here")
    order.refresh_from_db()
    assert (order.ship_to_city, order.fence) == ("Here", 9)


def test_one_lease_may_claim_and_write_many_times(order: Order) -> None:
    for city in ("A", "B"):
        fencing.claim(Order, order.pk, 5)
        assert fencing.fenced_update(Order, order.pk, 5, ship_to_city=city)


def test_a_row_that_is_not_as_expected_is_no_loss(order: Order) -> None:
    fencing.claim(Order, order.pk, 5)
    changed = fencing.fenced_update(
        Order, order.pk, 5, where={"ship_to_city": "Elsewhere"}, ship_to_city="X"
    )
    assert not changed


def test_writing_without_a_claim_is_a_defect_and_not_a_lost_lease(order: Order) -> None:
    with pytest.raises(fencing.NotClaimed):
        fencing.fenced_update(Order, order.pk, 5, ship_to_city="X")


def test_a_row_that_is_not_there_is_told_as_such() -> None:
    with pytest.raises(Order.DoesNotExist, match="no order 0"):
        fencing.claim(Order, 0, 5)
    with pytest.raises(Order.DoesNotExist):
        fencing.fenced_update(Order.objects.all(), 0, 5, ship_to_city="X")


def test_a_transaction_that_ensures_the_fence_keeps_a_newer_claim_waiting(order: Order) -> None:
    fencing.claim(Order, order.pk, 5)
    claimed = threading.Event()

    def rival() -> None:
        try:
            fencing.claim(Order, order.pk, 9)
            claimed.set()
        finally:
            connection.close()

    with transaction.atomic():
        fencing.ensure_fence(Order, order.pk, 5)
        thread = threading.Thread(target=rival)
        thread.start()
        assert not claimed.wait(0.1)
    assert claimed.wait(5)
    thread.join()
    with transaction.atomic(), pytest.raises(LeaseLost):
        fencing.ensure_fence(Order, order.pk, 5)


def test_ensuring_the_fence_outside_a_transaction_is_refused(order: Order) -> None:
    fencing.claim(Order, order.pk, 5)
    with pytest.raises(transaction.TransactionManagementError):
        fencing.ensure_fence(Order, order.pk, 5)
