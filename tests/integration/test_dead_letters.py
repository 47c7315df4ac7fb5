"""What is kept of a message that ended badly, and what a person can do with it."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connections, transaction

from tasks import dead_letters
from tasks.causes import Cause
from tasks.delivery import read_delivery
from tasks.errors import Permanent
from tasks.models import DeadLetter, DeadLetterAction, OutboxMessage
from tests.integration.letters import CAPTURE, delivery, letter

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_same_message_again_is_counted_and_makes_no_second_letter() -> None:
    twice = delivery(1)
    dead_letters.record(twice, Permanent("first"), "permanent error")
    first = DeadLetter.objects.get()
    dead_letters.record(twice, Permanent("second"), "permanent error")

    again = DeadLetter.objects.get()
    assert (again.times_seen, again.dead_at) == (2, first.dead_at)
    assert again.last_seen_at > first.last_seen_at
    assert "first" in again.error


def test_a_row_from_code_that_names_no_cause_is_a_permanent_error() -> None:
    DeadLetter.objects.create(
        message_id=uuid4(), task="x", attempt=1, error_class="Unroutable", error="no queue"
    )

    old = DeadLetter.objects.get()
    assert (old.cause, old.times_seen, old.status) == (Cause.PERMANENT, 1, "open")


@pytest.mark.parametrize("poison", ["\0", "\ud800", float("nan"), {"\0": ["\0"]}])
def test_what_postgresql_cannot_store_is_kept_all_the_same(poison: Any) -> None:
    dead_letters.record(
        read_delivery(str(uuid4()), "t\0", {"value": poison}, {"subject": "order:\0"}),
        Permanent("NUL \0 in the error"),
        "permanent error",
    )

    assert "NUL \\0" in DeadLetter.objects.get().error


def test_a_redriven_message_that_dies_again_is_a_new_open_letter_that_names_the_old() -> None:
    old = letter(1)
    other = letter(2)
    dead_letters.redrive(old.pk, by="carol")
    dead_letters.redrive(other.pk, by="carol")

    new = letter(1)

    assert (new.status, new.previous) == ("open", old)
    assert list(old.later.all()) == [new]
    old.refresh_from_db()
    assert old.status == "redriven"


def test_a_redrive_keeps_the_arguments_and_is_written_down() -> None:
    one = letter(1)

    sent = dead_letters.redrive(one.pk, by="carol", reason="the key is right now")

    message = OutboxMessage.objects.get()
    assert (message.task, message.kwargs, message.attempt) == (CAPTURE, one.kwargs, 1)
    assert (message.subject, message.trace_id) == ("order:1", "trace-1")
    done = DeadLetterAction.objects.get()
    assert (done.verb, done.by, done.reason, done.sent_as, done.subject) == (
        *("redriven", "carol", "the key is right now", sent.pk, "order:1"),
    )


def test_eight_people_who_redrive_at_once_send_one_message() -> None:
    one = letter(1)

    def press(_: int) -> bool:
        try:
            dead_letters.redrive(one.pk, by="carol")
        except dead_letters.NotOpen:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(press, range(8))).count(True) == 1
    assert OutboxMessage.objects.count() == 1
    assert DeadLetterAction.objects.count() == 1


def test_many_are_spread_over_time_at_the_rate_that_was_asked_for() -> None:
    ids = [letter(number).pk for number in range(5)]

    done = dead_letters.redrive_many(ids, by="carol", rate_per_second=0.1)

    assert (done.closed, done.refused) == (5, [])
    due = list(OutboxMessage.objects.order_by("not_before").values_list("not_before", flat=True))
    gaps = [later - earlier for earlier, later in itertools.pairwise(due)]
    assert all(gap >= timedelta(seconds=9.9) for gap in gaps)


def test_one_that_cannot_be_sent_keeps_none_of_the_others_and_stays_open() -> None:
    unread = letter(1, cause=Cause.UNDECODABLE)
    strange = letter(2, cause=Cause.UNKNOWN_TASK, task="orders.of_tomorrow")
    good = letter(3)
    closed = letter(4)
    dead_letters.discard(closed.pk, by="carol", reason="a test order")

    done = dead_letters.redrive_many(
        [unread.pk, strange.pk, closed.pk, good.pk], by="carol", rate_per_second=100
    )

    assert done.closed == 1
    assert "nobody knows what to send" in done.refused[0]
    assert "orders.of_tomorrow" in done.refused[1]
    assert "not open" in done.refused[2]
    still_open = DeadLetter.objects.filter(status="open").order_by("pk")
    assert list(still_open) == [unread, strange]
    assert OutboxMessage.objects.get().subject == "order:3"


def test_a_discarded_letter_is_kept_with_its_reason_and_sends_nothing() -> None:
    one = letter(1)

    dead_letters.discard(one.pk, by="carol", reason="the order was a test")

    one.refresh_from_db()
    assert (one.status, one.closed_by) == ("discarded", "carol")
    assert DeadLetterAction.objects.get().reason == "the order was a test"
    assert not OutboxMessage.objects.exists()
    assert not dead_letters.needs_a_person("order:1")
    with pytest.raises(dead_letters.NotOpen):
        dead_letters.redrive(one.pk, by="carol")


@pytest.mark.parametrize("change", ["update", "delete"])
def test_nobody_rewrites_what_was_done(change: str) -> None:
    dead_letters.discard(letter(1).pk, by="carol", reason="the order was a test")
    rows = DeadLetterAction.objects.all()

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        rows.update(by="mallory") if change == "update" else rows.delete()


def test_an_old_letter_can_go_and_what_was_done_with_it_stays() -> None:
    one = letter(1)
    dead_letters.discard(one.pk, by="carol", reason="the order was a test")

    DeadLetter.objects.filter(pk=one.pk).delete()

    assert DeadLetterAction.objects.get().subject == "order:1"


@pytest.mark.parametrize(
    ("cause", "person"),
    [
        *((cause, True) for cause in Cause if cause not in (Cause.POISON, Cause.UNDECODABLE)),
        (Cause.POISON, False),
        (Cause.UNDECODABLE, False),
    ],
)
def test_sweeps_leave_alone_what_only_a_person_can_mend(cause: Cause, person: bool) -> None:
    letter(1, cause=cause)

    assert dead_letters.needs_a_person("order:1") is person
