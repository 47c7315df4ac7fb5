"""The line of a sweep: least recently tried first, each row claimed by one."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models.functions import Now

from orders.models import Order
from orders.services.sweeping import stuck_orders
from tasks import sweeping
from tasks.sweeping import overdue, sweep
from tests.integration.shopping import placed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stuck() -> list[int]:
    """Five orders that have stood still for an hour; the third was tried ten minutes ago."""
    orders = [placed(f"SKU-{number}").pk for number in range(5)]
    Order.objects.update(changed_at=Now() - timedelta(hours=1))
    Order.objects.filter(pk=orders[2]).update(swept_at=Now() - timedelta(minutes=10))
    return orders


def test_the_least_recently_tried_comes_first(stuck: list[int]) -> None:
    assert list(stuck_orders().values_list("pk", flat=True)) == [*stuck[:2], *stuck[3:], stuck[2]]


def test_a_row_that_cannot_be_helped_goes_to_the_end_of_the_line(stuck: list[int]) -> None:
    def fail(order: Order) -> bool:
        raise ZeroDivisionError

    assert sweep(stuck_orders().filter(pk=stuck[0]), fail) == 0

    Order.objects.filter(pk=stuck[0]).update(swept_at=Now() - timedelta(minutes=5))
    assert list(stuck_orders().values_list("pk", flat=True))[-1] == stuck[0]


def test_a_row_is_not_tried_again_before_its_time(stuck: list[int]) -> None:
    assert sweep(stuck_orders(), lambda _: True) == 5
    assert sweep(stuck_orders(), lambda _: True) == 0


def test_a_row_that_moved_on_meanwhile_is_left_alone(stuck: list[int]) -> None:
    tried: list[int] = []

    def act(order: Order) -> bool:
        tried.append(order.pk)
        Order.objects.exclude(pk=order.pk).update(changed_at=Now())
        return True

    assert sweep(stuck_orders(), act) == 1
    assert tried == [stuck[0]]


def test_more_than_a_batch_is_worked_off_in_one_sweep(
    stuck: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "BATCH", 2)

    assert sweep(stuck_orders(), lambda _: True) == 5


def test_sweeps_without_patience_end_although_every_try_fails(
    stuck: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "BATCH", 2)
    tried: list[int] = []

    def fail(order: Order) -> bool:
        tried.append(order.pk)
        raise ZeroDivisionError

    assert sweep(overdue(Order.objects.all(), since="placed_at"), fail) == 0
    assert sorted(tried) == sorted(stuck)


def test_two_sweeps_side_by_side_try_each_row_once(stuck: list[int]) -> None:
    tried: list[int] = []
    both = threading.Barrier(2)

    def act(order: Order) -> bool:
        tried.append(order.pk)
        return True

    def one() -> None:
        try:
            line = stuck_orders()
            rows = list(line)
            both.wait(timeout=10)
            for row in rows:
                if sweeping._claim(line, row):
                    act(row)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(tried) == sorted(stuck)
