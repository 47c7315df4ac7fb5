"""Tasks under a lease: bad keys, the quorum away, and a lease lost while the body runs."""

import logging
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from celery.exceptions import Retry
from django.conf import LazySettings
from django.db import connection
from django.utils import timezone
from prometheus_client import REGISTRY

from orders.models import Order
from tasks import fencing
from tasks.base import PlatformTask, platform_task
from tasks.delivery import HEADER
from tasks.errors import LeaseBusy, LeaseLost, Permanent, QuorumUnavailable
from tasks.locks import chosen as backends
from tasks.locks.held import HeldLease
from tasks.locks.metrics import METRICS
from tasks.locks.plain import lock
from tasks.models import DeadLetter, OutboxMessage

pytestmark = pytest.mark.django_db(transaction=True)

SEEN: list[dict[str, Any]] = []


@platform_task("toy.keyed", lease_key="keyed:{order_id}")
def keyed(*, lease: HeldLease, **_: Any) -> None:
    SEEN.append({"token": lease.token, "held": lease})


@platform_task("toy.overtaken", lease_key="overtaken:{order_id}")
def overtaken(*, order_id: int, lease: HeldLease, fences: bool, **_: Any) -> None:
    """Runs into the state in which a stopped and continued worker finds itself."""
    fencing.claim(Order, order_id, lease.token)
    lease.lost.set()
    fencing.claim(Order, order_id, lease.token + 1)  # what the second worker does
    SEEN.append({"reached": True})
    if fences:
        fencing.fenced_update(Order, order_id, lease.token, ship_to_city="Late")
        SEEN.append({"wrote": True})


@pytest.fixture(autouse=True)
def toys_have_a_queue(settings: LazySettings) -> None:
    SEEN.clear()
    names = ("toy.keyed", "toy.overtaken")
    settings.TASK_QUEUES = {**settings.TASK_QUEUES, **dict.fromkeys(names, "orders.payment")}


@pytest.fixture
def order() -> Order:
    return Order.objects.create(
        idempotency_key=uuid4(), currency="EUR", total_cents=100, hold_expires_at=timezone.now()
    )


def deliver(task: PlatformTask, kwargs: dict[str, Any], age_seconds: float = 0.0) -> str:
    message_id = str(uuid4())
    first = timezone.now() - timedelta(seconds=age_seconds)
    task.push_request(id=message_id, headers={HEADER: {"first_enqueued_at": first.isoformat()}})
    try:
        task(**kwargs)
    finally:
        task.pop_request()
    return message_id


def outcomes(family: str, outcome: str) -> float:
    METRICS.flush()
    labels = {"family": family, "outcome": outcome}
    return REGISTRY.get_sample_value("lock_outcomes_total", labels) or 0.0


@pytest.mark.parametrize("kwargs", [{}, {"order_id": None}, {"order_id": "4 2"}])
def test_a_message_that_makes_no_key_is_for_a_person(kwargs: dict[str, Any]) -> None:
    with pytest.raises(Permanent):
        deliver(keyed, kwargs)
    letter = DeadLetter.objects.get()
    assert letter.error_class == "Permanent"
    assert "keyed:{order_id}" in letter.error
    assert SEEN == []


def test_a_template_that_never_makes_a_key_fails_when_the_task_is_declared() -> None:
    with pytest.raises(ValueError, match="plain argument names"):
        platform_task("toy.wrong", lease_key="order:{order.id}")


def test_a_message_that_is_busy_beyond_its_age_becomes_a_dead_letter() -> None:
    with lock("keyed:1"), pytest.raises(LeaseBusy):
        deliver(keyed, {"order_id": 1}, age_seconds=25 * 3600)
    assert "older than" in DeadLetter.objects.get().error
    assert not OutboxMessage.objects.exists()


def test_a_quorum_that_is_away_raises_an_alarm_and_uses_up_no_attempt(
    settings: LazySettings, caplog: pytest.LogCaptureFixture
) -> None:
    before = outcomes("keyed", "quorum_lost")
    settings.LOCK_REDIS_URLS = ["redis://127.0.0.1:9/0"]
    backends.forget_backend()
    try:
        with caplog.at_level(logging.ERROR), pytest.raises(Retry) as retry:
            deliver(keyed, {"order_id": 1})
    finally:
        backends.forget_backend()
    assert isinstance(retry.value.exc, QuorumUnavailable)
    assert "lock_quorum_unavailable" in caplog.text
    assert outcomes("keyed", "quorum_lost") == before + 1
    successor = OutboxMessage.objects.get()
    assert (successor.attempt, successor.kwargs) == (1, {"order_id": 1})


def test_a_worker_that_lost_its_lease_writes_nothing_and_comes_back(order: Order) -> None:
    before = outcomes("overtaken", "lost_while_held")
    with pytest.raises(Retry) as retry:
        deliver(overtaken, {"order_id": order.pk, "fences": True})
    assert isinstance(retry.value.exc, LeaseLost)
    order.refresh_from_db()
    assert order.ship_to_city == ""
    assert SEEN == [{"reached": True}]
    assert OutboxMessage.objects.get().attempt == 1
    assert outcomes("overtaken", "lost_while_held") == before + 1


def test_a_body_that_ends_well_after_a_loss_is_done_and_the_loss_is_told(
    order: Order, caplog: pytest.LogCaptureFixture
) -> None:
    before = outcomes("overtaken", "lost_while_held")
    with caplog.at_level(logging.ERROR):
        deliver(overtaken, {"order_id": order.pk, "fences": False})
    assert "was lost before its section ended" in caplog.text
    assert outcomes("overtaken", "lost_while_held") == before + 1
    assert not OutboxMessage.objects.exists()
    assert not DeadLetter.objects.exists()


def test_a_task_is_renewed_no_longer_than_its_worker_lets_it_live(settings: LazySettings) -> None:
    assert keyed._longest_seconds() == settings.CELERY_TASK_TIME_LIMIT
    deliver(keyed, {"order_id": 1})
    assert SEEN[0]["held"]._renew_until - SEEN[0]["held"]._lease.acquired_at <= (
        settings.CELERY_TASK_TIME_LIMIT + 1
    )


def test_the_guard_needs_no_connection_to_the_database() -> None:
    connection.close()
    with lock("plain:1", ttl=1):
        assert connection.connection is None
