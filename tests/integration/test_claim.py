"""Which rows a relay takes: none twice, none forgotten, wherever its last batch has ended."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import transaction

from tasks.claim import Claim, delete
from tasks.models import OutboxMessage
from tasks.outbox import enqueue

pytestmark = pytest.mark.django_db(transaction=True)

CAPTURE = "orders.capture_payment"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class StandingClock:
    """Moves when told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


def fill_outbox(count: int, not_before: datetime | None = None) -> set[UUID]:
    with transaction.atomic():
        return {enqueue(CAPTURE, {"n": n}, not_before=not_before).pk for n in range(count)}


def taken(claim: Claim) -> set[UUID]:
    """The ids of one batch, which is then deleted."""
    with transaction.atomic():
        ids = {row.pk for row in claim.take()}
        delete(ids)
    return ids


def test_rows_of_one_moment_come_in_batches_and_none_twice(clock: StandingClock) -> None:
    written = fill_outbox(25, LONG_AGO)
    claim = Claim(10, clock)

    batches = [taken(claim) for _ in range(4)]

    assert [len(batch) for batch in batches] == [10, 10, 5, 0]
    assert set().union(*batches) == written


def test_a_batch_that_was_rolled_back_is_found_again(clock: StandingClock) -> None:
    written = fill_outbox(20)
    claim = Claim(10, clock)
    with transaction.atomic():
        left = {row.pk for row in claim.take()}
        transaction.set_rollback(True)

    behind, again = taken(claim), taken(claim)

    assert again == left
    assert behind | again == written


def test_a_row_that_is_committed_late_with_an_earlier_time_is_found_within_a_second(
    clock: StandingClock,
) -> None:
    fill_outbox(100)
    claim = Claim(10, clock)
    taken(claim)
    late = fill_outbox(1, LONG_AGO)

    assert late.isdisjoint(taken(claim))
    clock.now += 1

    assert late <= taken(claim)


def test_tasks_that_are_left_out_do_not_stand_in_the_way(clock: StandingClock) -> None:
    fill_outbox(15, LONG_AGO)
    with transaction.atomic():
        mail = enqueue("orders.send_notification", {})

    with transaction.atomic():
        rows = Claim(10, clock).take(without_tasks=[CAPTURE])

    assert [row.pk for row in rows] == [mail.pk]


def test_the_next_moment_is_known_from_one_look() -> None:
    claim = Claim(10)
    assert claim.next_due_seconds() is None

    with transaction.atomic():
        enqueue(CAPTURE, {}, delay_seconds=100)
    later = claim.next_due_seconds()
    assert later is not None
    assert 0 < later <= 100

    fill_outbox(1)
    due = claim.next_due_seconds()
    assert due is not None
    assert due <= 0


def test_a_claimed_row_is_what_the_orm_reads(clock: StandingClock) -> None:
    with transaction.atomic():
        message = enqueue(CAPTURE, {"nested": [{"a": None}]}, subject="order:1", schema_version=2)
        (row,) = Claim(10, clock).take()

    read = OutboxMessage.objects.get(pk=message.pk)
    for field in OutboxMessage._meta.concrete_fields:
        assert getattr(row, field.attname) == getattr(read, field.attname)
