"""Old rows go in small batches, and only those that nobody will ask for again."""

import logging
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from tasks import pruning
from tasks.backlog import outbox_backlog
from tasks.models import DeadLetter, LockRelease, OutboxMessage
from tasks.outbox import enqueue
from tasks.tasks import watch_outbox

pytestmark = pytest.mark.django_db(transaction=True)


def letter(*, closed_days_ago: int | None) -> DeadLetter:
    return DeadLetter.objects.create(
        message_id=uuid4(),
        task="orders.capture_payment",
        attempt=1,
        error_class="Permanent",
        error="",
        status=DeadLetter.Status.OPEN if closed_days_ago is None else DeadLetter.Status.REDRIVEN,
        closed_at=None
        if closed_days_ago is None
        else timezone.now() - timedelta(days=closed_days_ago),
        dead_at=timezone.now() - timedelta(days=1_000),
    )


def session(*, ends_in_days: int) -> None:
    Session.objects.create(
        session_key=uuid4().hex, expire_date=timezone.now() + timedelta(days=ends_in_days)
    )


def test_closed_letters_go_after_their_time_and_open_ones_never() -> None:
    kept = [letter(closed_days_ago=None), letter(closed_days_ago=89)]
    letter(closed_days_ago=91)

    assert pruning.prune() == 1
    assert set(DeadLetter.objects.all()) == set(kept)


def test_sessions_that_have_ended_go_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH", 2)
    for _ in range(5):
        session(ends_in_days=-1)
    session(ends_in_days=1)

    assert pruning.prune() == 5
    assert Session.objects.count() == 1


def test_the_log_of_taken_leases_is_kept() -> None:
    LockRelease.objects.create(
        at=timezone.now() - timedelta(days=5_000), event="released", by="carol", key="k", token=1
    )
    pruning.prune()
    assert LockRelease.objects.count() == 1


def test_the_backlog_counts_what_is_due_and_from_when() -> None:
    assert outbox_backlog().due == 0
    assert outbox_backlog().oldest_seconds == 0
    with transaction.atomic():
        enqueue("orders.deduct_inventory", {"order_id": 1})
        enqueue("orders.deduct_inventory", {"order_id": 2}, delay_seconds=600)
    OutboxMessage.objects.filter(kwargs__order_id=1).update(not_before=Now() - timedelta(minutes=5))

    backlog = outbox_backlog()

    assert backlog.due == 1
    assert 300 <= backlog.oldest_seconds < 360


@pytest.mark.parametrize(("age", "alarm"), [(30, False), (90, True)])
def test_an_old_outbox_is_an_error_in_the_log(
    age: int, alarm: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction.atomic():
        enqueue("orders.deduct_inventory", {"order_id": 1})
    OutboxMessage.objects.update(not_before=Now() - timedelta(seconds=age))

    with caplog.at_level(logging.ERROR):
        watch_outbox()

    assert ("outbox_is_old" in caplog.text) is alarm
