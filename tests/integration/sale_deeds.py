"""What people, workers, keepers and staff do in a sale, by the services that do it in the shop.

A deed returns what its doer was told. What it raises is judged by who lets it happen.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from random import Random
from uuid import uuid4

from django.db import connection, transaction
from django.db.models.functions import Now

from ops.lifecycle.bank import Mood
from orders.models import Order, Payment
from orders.services.cancellation import cancel_order
from orders.services.cards import Card
from orders.services.payment import capture_payment, retry_payment
from orders.states import UNSETTLED_PAYMENTS
from shop.flash_sales import selling
from shop.flash_sales.entry import answer_click, answer_poll
from shop.flash_sales.expiring import expire_declined, expire_unused, follow_ended, follow_paid
from shop.flash_sales.giving_back import give_back
from shop.flash_sales.keeper import Keeper
from shop.flash_sales.models import Ticket
from shop.flash_sales.ordering import order_with_ticket
from shop.flash_sales.rebuilding import build_gates
from shop.flash_sales.reconciling import reconcile
from shop.flash_sales.states import LIVE_TICKETS, TicketStatus
from tests.integration.sale_world import PEOPLE, World, form_key, wish

Job = Callable[[], str]
Deed = Callable[[World, int, str, Random], Job]
CARD = Card("pm_card_visa", "visa", "4242")
NOTHING = "nothing to do"
BUSY = "another one keeps"
_own = threading.local()


def is_later() -> bool:
    """Whether whoever asks comes so late that no grant is new any more."""
    return getattr(_own, "is_later", False)


@contextmanager
def an_hour_later() -> Iterator[None]:
    _own.is_later = True
    try:
        yield
    finally:
        _own.is_later = False


# -- people ------------------------------------------------------------------------


def click(world: World, which: int, person: str, _: Random) -> Job:
    def job() -> str:
        item = world.item(which)
        place = world.place(item.pk, person)
        return world.hear(item.pk, person, answer_click(item.sale, item, person, place))

    return job


def poll(world: World, which: int, person: str, _: Random) -> Job:
    def job() -> str:
        item = world.item(which)
        place = world.place(item.pk, person)
        return world.hear(item.pk, person, answer_poll(item.sale, item, person, place))

    return job


def order(world: World, which: int, person: str, random: Random) -> Job:
    """Now and then from a second tab, whose form has a key of its own."""
    is_same_form = random.random() < 0.7

    def job() -> str:
        ticket = world.ticket(which, person, TicketStatus.HELD, TicketStatus.ORDERED)
        if ticket is None:
            return NOTHING
        key = form_key(ticket) if is_same_form else uuid4()
        return f"order {order_with_ticket(ticket, wish(person, key)).pk}"

    return job


def give_it_back(world: World, which: int, person: str, _: Random) -> Job:
    def job() -> str:
        ticket = world.ticket(which, person, TicketStatus.HELD)
        return str(give_back(ticket)) if ticket else NOTHING

    return job


def cancel(world: World, which: int, person: str, _: Random) -> Job:
    def job() -> str:
        ticket = world.ticket(which, person, TicketStatus.ORDERED, TicketStatus.SOLD)
        if ticket is None or ticket.order_id is None:
            return NOTHING
        cancel_order(ticket.order_id, actor=person, reason="Changed my mind.")
        return "cancelled"

    return job


def give_another_card(world: World, which: int, person: str, _: Random) -> Job:
    def job() -> str:
        ticket = world.ticket(which, person, TicketStatus.ORDERED)
        if ticket is None or ticket.order_id is None:
            return NOTHING
        retry_payment(ticket.order_id, CARD, uuid4())
        return "another card"

    return job


# -- workers, and the bank ---------------------------------------------------------


def pay(world: World, which: int, person: str, random: Random) -> Job:
    mood = random.choice((Mood.YES, Mood.YES, Mood.YES, Mood.SILENT_AFTER, Mood.LATE))
    return _ask_bank(world, which, person, mood, overtakes=random.random() < 0.2)


def decline(world: World, which: int, person: str, _: Random) -> Job:
    return _ask_bank(world, which, person, Mood.NO, overtakes=False)


def _ask_bank(world: World, which: int, person: str, mood: Mood, *, overtakes: bool) -> Job:
    def job() -> str:
        ticket = world.ticket(which, person, TicketStatus.ORDERED, TicketStatus.EXPIRED)
        payment = ticket and open_payment(ticket)
        if not payment:
            return NOTHING
        world.bank.moods.append(mood)
        settle(world, payment, overtakes=overtakes)
        return f"the bank was asked about order {payment.order_id}"

    return job


def open_payment(ticket: Ticket) -> Payment | None:
    theirs = Payment.objects.filter(order__flash_sale_ticket=ticket)
    return theirs.filter(status__in=UNSETTLED_PAYMENTS).first()


def settle(world: World, payment: Payment, *, overtakes: bool = False) -> None:
    with world.leases.hold(f"order:{payment.order_id}", overtake=overtakes) as lease:
        capture_payment(payment.order_id, payment.pk, lease)


# -- time, and keepers -------------------------------------------------------------


def time_is_over(world: World, which: int, person: str, _: Random) -> Job:
    """Of the person's ticket, and of the order that was made with it."""

    def job() -> str:
        ticket = world.ticket(which, person, *LIVE_TICKETS)
        if ticket is None:
            return NOTHING
        with transaction.atomic():
            Order.objects.filter(flash_sale_ticket=ticket).update(hold_expires_at=Now())
            # Not again: a ticket that has expired meanwhile had its time.
            Ticket.objects.filter(pk=ticket.pk, held_until__gt=Now()).update(held_until=Now())
        return f"ticket {ticket.pk}"

    return job


def keep(_w: World, _which: int, _person: str, random: Random) -> Job:
    is_late = random.random() < 0.5

    def job() -> str:
        with the_only_keeper() as keeper:
            return _keep(keeper, is_late=is_late) if keeper else BUSY

    return job


def _keep(keeper: Keeper, *, is_late: bool) -> str:
    with an_hour_later() if is_late else nullcontext():
        keeper.keep_once()
    return "kept"


def keep_tickets(_w: World, _which: int, _person: str, _: Random) -> Job:
    """As a keeper that dies before it has looked at the gates."""

    def job() -> str:
        with the_only_keeper() as keeper:
            if keeper is None:
                return BUSY
            return f"{expire_declined()} {expire_unused()} {follow_ended()} {follow_paid()}"

    return job


def keep_gate(world: World, which: int, _person: str, random: Random) -> Job:
    is_late = random.random() < 0.5

    def job() -> str:
        with the_only_keeper() as keeper, an_hour_later() if is_late else nullcontext():
            return str(reconcile(world.item(which))) if keeper else BUSY

    return job


@contextmanager
def the_only_keeper() -> Iterator[Keeper | None]:
    """None while another one keeps: by the lock with which keepers take turns in life."""
    keeper = Keeper()
    if not keeper._is_single():
        yield None
        return
    try:
        yield keeper
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")


def rebuild(world: World, _which: int, _person: str, _: Random) -> Job:
    return lambda: str(build_gates(world.sale()))


def lose_gate(world: World, _which: int, _person: str, _: Random) -> Job:
    def job() -> str:
        world.drop_gates()
        return "lost"

    return job


# -- staff -------------------------------------------------------------------------


def pause(world: World, _which: int, _person: str, _: Random) -> Job:
    return lambda: str(selling.pause(world.sale_id, "a look at it", actor="test"))


def resume(world: World, _which: int, _person: str, _: Random) -> Job:
    return lambda: str(selling.resume(world.sale_id, actor="test"))


def add_units(world: World, which: int, _person: str, random: Random) -> Job:
    more = random.randint(1, 2)

    def job() -> str:
        item = world.item(which)
        selling.add_units(item.pk, more, seen_units=item.units, actor="test")
        return f"{more} more"

    return job


def change_rate(world: World, _which: int, _person: str, random: Random) -> Job:
    # Never so slow that it matters how long a step takes.
    rate = random.choice((500, 1_000))
    return lambda: str(selling.change_rate(world.sale_id, rate, actor="test"))


def end(world: World, _which: int, _person: str, _: Random) -> Job:
    return lambda: str(selling.end(world.sale_id, actor="test"))


# How often each is done, of all.
OFTEN: dict[Deed, int] = {
    click: 24,
    poll: 10,
    order: 14,
    pay: 10,
    decline: 4,
    give_another_card: 2,
    give_it_back: 4,
    cancel: 3,
    time_is_over: 7,
    keep: 8,
    keep_tickets: 5,
    keep_gate: 5,
    rebuild: 3,
    lose_gate: 2,
    pause: 1,
    resume: 3,
    add_units: 2,
    change_rate: 1,
}


# Whose tickets each is about; others would find nothing to do.
_ABOUT: dict[Deed, tuple[TicketStatus, ...]] = {
    order: (TicketStatus.HELD,),
    give_it_back: (TicketStatus.HELD,),
    pay: (TicketStatus.ORDERED,),
    decline: (TicketStatus.ORDERED,),
    give_another_card: (TicketStatus.ORDERED,),
    cancel: (TicketStatus.ORDERED, TicketStatus.SOLD),
    time_is_over: LIVE_TICKETS,
}


def any_deed(world: World, random: Random) -> tuple[str, Job]:
    deed = random.choices(list(OFTEN), list(OFTEN.values()))[0]
    which, person = random.randrange(2), random.choice(PEOPLE)
    if deed is poll and world.places:
        item_id, person = random.choice(sorted(world.places))
        which = world.item_ids.index(item_id)
    if deed in _ABOUT and random.random() < 0.9:
        which, person = world.somebody(random, _ABOUT[deed]) or (which, person)
    return f"{deed.__name__} {which} {person}", deed(world, which, person, random)
