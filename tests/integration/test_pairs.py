"""Every pair of transitions that can meet on one order: no deadlock, one legal result.

Each pair meets in five ways: from a barrier; each one while the other is inside its transaction;
each one while the bank answers the other. Both transitions run on connections of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection

from ops.lifecycle import at_the_bank, at_the_shop, by_the_staff
from ops.lifecycle.bank import Mood
from orders import task_names
from orders.services import sweeping
from orders.services.sweeping import expire_holds
from tasks.models import OutboxMessage
from tests.integration.meeting import Job, Meeting, audited, meeting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

Transition = Callable[[Meeting], Job]
Start = Callable[[Meeting], None]


# -- where they meet --------------------------------------------------------------------


def placed(_: Meeting) -> None:
    """An order for two units, 20.00, which are the last ones; nobody has asked the bank."""


def silent(met: Meeting) -> None:
    """The bank has taken the money and not said so."""
    met.bank.moods = [Mood.SILENT_AFTER]
    work(met, task_names.CAPTURE_PAYMENT)


def at_bank(met: Meeting) -> None:
    """The bank wants to see the shopper."""
    met.bank.moods = [Mood.ACTION]
    work(met, task_names.CAPTURE_PAYMENT)


def declined(met: Meeting) -> None:
    met.bank.moods = [Mood.NO]
    work(met, task_names.CAPTURE_PAYMENT)


def declined_and_over(met: Meeting) -> None:
    """Declined, and the hold has ended."""
    declined(met)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_order SET hold_expires_at = now() - interval '1 second'")


def declined_and_taken(met: Meeting) -> None:
    """As above, and the bank took the money after all."""
    declined_and_over(met)
    met.bank.intents[0].status = "succeeded"


def expired_and_taken(met: Meeting) -> None:
    declined_and_taken(met)
    expire_holds()


def paid(met: Meeting) -> None:
    work(met, task_names.CAPTURE_PAYMENT)


def packed(met: Meeting) -> None:
    paid(met)
    work(met, task_names.DEDUCT_INVENTORY)


def refunding(met: Meeting) -> None:
    """Packed, and 3.00 are to go back."""
    packed(met)
    by_the_staff.refund_amount(met.world, 0, 0)()


def shipped(met: Meeting) -> None:
    packed(met)
    by_the_staff.ship(met.world, 0, 0)()


def coming_back(met: Meeting) -> None:
    shipped(met)
    at_the_shop.announces_return(met.world, 0, 0)()


def work(met: Meeting, task: str) -> None:
    for message in met.world.messages.waiting():
        if message.task == task:
            met.world.messages.handle(message)


# -- what meets -------------------------------------------------------------------------


def worker(task: str) -> Transition:
    """A worker with that message, under a lease that overtakes any other: as after a pause, or with
    a message that was redriven while the first one was still being worked off."""

    def transition(met: Meeting) -> Job:
        messages = met.world.messages
        found = [one for one in (*messages.waiting(), *messages.handled()) if one.task == task]
        return lambda: messages.handle(found[-1], overtake=True)

    return transition


def recheck(met: Meeting) -> Job:
    """A webhook has told of the money."""
    at_the_bank.tell(met.bank.intents[0].request.payment_id)
    return worker(task_names.RECHECK_PAYMENT)(met)


def act(action: Callable[[Any, int, int], Job], how: int = 1) -> Transition:
    return lambda met: action(met.world, 0, how)


def sweep(_: Meeting) -> Job:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_order SET changed_at = now() - interval '1 hour'")
        cursor.execute("UPDATE orders_refund SET created_at = now() - interval '1 hour'")
        cursor.execute("UPDATE orders_payment SET created_at = now() - interval '1 hour'")
    OutboxMessage.objects.exclude(task=task_names.SEND_NOTIFICATION).delete()
    return sweeping.resume_stuck_orders


def expire(_: Meeting) -> Job:
    return expire_holds


capture = worker(task_names.CAPTURE_PAYMENT)
deduct = worker(task_names.DEDUCT_INVENTORY)
move_refund = worker(task_names.MOVE_REFUND)
cancel = act(at_the_shop.cancel_as_shopper)
cancel_for_shopper = act(by_the_staff.cancel_as_staff)
another_card = act(at_the_shop.another_card)
place = act(at_the_shop.place_another)
ship = act(by_the_staff.ship, how=2)
ship_one = act(by_the_staff.ship, how=1)
deliver = act(by_the_staff.deliver)
refund_all = act(by_the_staff.refund_all)
refund_one_unit = act(by_the_staff.refund_line)
refund_12 = act(by_the_staff.refund_amount, how=3)
announce = act(at_the_shop.announces_return, how=2)
withdraw = act(at_the_shop.withdraws_return)
receive = act(by_the_staff.receive)
write_off = act(by_the_staff.write_one_off)


@dataclass(frozen=True)
class Pair:
    """``ends``: status, fulfilment and cents that were kept, for each order; one of these."""

    start: Start
    first: str
    second: str
    ends: frozenset[str]

    def __str__(self) -> str:
        return f"{self.start.__name__}: {self.first} × {self.second}"


def pair(start: Start, first: str, second: str, *ends: str) -> Pair:
    return Pair(start, first, second, frozenset(ends))


BOUGHT, GONE = "paid packed 2000", "cancelled unfulfilled 0"
TAKEN_BACK = "cancelled packed 0"

PAIRS = [
    pair(placed, "capture", "capture", BOUGHT),
    pair(placed, "capture", "cancel", GONE),
    pair(placed, "capture", "sweep", BOUGHT),
    pair(placed, "cancel", "cancel", GONE),
    pair(placed, "cancel", "cancel_for_shopper", GONE),
    pair(placed, "cancel", "place", f"{GONE} / {BOUGHT}", GONE),
    pair(silent, "capture", "cancel", GONE),
    pair(silent, "capture", "capture", BOUGHT),
    pair(silent, "capture", "sweep", BOUGHT),
    pair(at_bank, "capture", "cancel", GONE),
    pair(at_bank, "capture", "capture", BOUGHT),
    pair(declined, "another_card", "cancel", GONE),
    pair(declined, "another_card", "another_card", BOUGHT),
    pair(declined_and_over, "expire", "another_card", "expired unfulfilled 0"),
    pair(declined_and_over, "expire", "cancel", "expired unfulfilled 0", GONE),
    pair(declined_and_over, "expire", "expire", "expired unfulfilled 0"),
    pair(
        declined_and_over,
        *("expire", "place"),
        *("expired unfulfilled 0", f"expired unfulfilled 0 / {BOUGHT}"),
    ),
    pair(declined_and_taken, "expire", "recheck", BOUGHT),
    pair(declined_and_taken, "cancel", "recheck", GONE),
    pair(expired_and_taken, "recheck", "recheck", BOUGHT),
    pair(
        expired_and_taken,
        *("recheck", "place"),
        *(BOUGHT, f"expired unfulfilled 0 / {BOUGHT}"),
    ),
    pair(paid, "deduct", "deduct", BOUGHT),
    pair(paid, "deduct", "cancel", GONE, TAKEN_BACK),
    pair(paid, "deduct", "refund_all", BOUGHT, TAKEN_BACK),
    pair(paid, "deduct", "sweep", BOUGHT),
    pair(paid, "deduct", "write_off", BOUGHT),
    pair(packed, "ship", "cancel", "paid shipped 2000", TAKEN_BACK),
    pair(packed, "ship", "ship", "paid shipped 2000"),
    pair(packed, "ship_one", "ship", "paid shipped 2000"),
    pair(packed, "ship_one", "ship_one", "paid shipped 2000"),
    pair(packed, "ship", "refund_one_unit", "paid shipped 1000"),
    pair(packed, "ship", "refund_all", "paid shipped 0", TAKEN_BACK),
    pair(packed, "refund_all", "refund_all", TAKEN_BACK),
    pair(packed, "refund_all", "cancel", TAKEN_BACK),
    pair(packed, "refund_12", "refund_12", "paid packed 800"),
    pair(packed, "refund_one_unit", "refund_one_unit", TAKEN_BACK),
    pair(packed, "refund_one_unit", "cancel", TAKEN_BACK),
    pair(packed, "refund_12", "cancel", TAKEN_BACK),
    pair(packed, "cancel", "cancel_for_shopper", TAKEN_BACK),
    pair(refunding, "move_refund", "move_refund", "paid packed 1700"),
    pair(refunding, "move_refund", "cancel", TAKEN_BACK),
    pair(refunding, "move_refund", "refund_all", TAKEN_BACK),
    pair(refunding, "move_refund", "sweep", "paid packed 1700"),
    pair(shipped, "deliver", "deliver", "paid delivered 2000"),
    pair(shipped, "deliver", "cancel", "paid delivered 2000"),
    pair(shipped, "announce", "announce", "paid shipped 2000"),
    pair(shipped, "announce", "deliver", "paid delivered 2000"),
    pair(shipped, "announce", "refund_all", "paid shipped 0"),
    pair(coming_back, "receive", "receive", "paid shipped 0"),
    pair(coming_back, "receive", "refund_all", "paid shipped 0"),
    pair(coming_back, "receive", "refund_one_unit", "paid shipped 0", "paid shipped 1000"),
    pair(coming_back, "receive", "withdraw", "paid shipped 0", "paid shipped 2000"),
    pair(coming_back, "withdraw", "withdraw", "paid shipped 2000"),
]


def names(one: Pair) -> tuple[Transition, Transition]:
    return globals()[one.first], globals()[one.second]


@pytest.mark.parametrize("one", PAIRS, ids=str)
def test_two_transitions_that_meet_leave_one_legal_result(one: Pair) -> None:
    first, second = names(one)
    ends: dict[str, str] = {}
    met_so_far: list[Meeting] = []
    for way in ("together", "first inside", "second inside", "first at bank", "second at bank"):
        with meeting() as met:
            one.start(met)
            jobs = (first(met), second(met))
            if way == "together":
                met.together(*jobs)
            elif way.endswith("inside"):
                met.inside(*(jobs if way.startswith("first") else reversed(jobs)))
            elif not met.at_the_bank(*(jobs if way.startswith("first") else reversed(jobs))):
                continue
            met.judge()
            ends[way] = met.end()
            met_so_far.append(met)

    assert set(ends.values()) <= one.ends, ends
    audited(met_so_far)
