"""Tickets: a unit held for a person, decided by the database. Each change is a conditional UPDATE.

Claims inside one transaction, everywhere: the ticket, then its item's row, which is the hot one.
"""

from datetime import timedelta

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from orders.locked import honest_about_locks
from shop.flash_sales import persons
from shop.flash_sales.errors import GrantUsed, NoUnitLeft, TicketOver
from shop.flash_sales.models import SaleIdentity, SaleItem, Ticket
from shop.flash_sales.states import IdentityKind, TicketStatus

log = structlog.get_logger(__name__)


def write_ticket(item: SaleItem, *, person: str, nonce: str, place: int) -> Ticket:
    """Write the gate's grant down as a ticket. The same grant twice is one ticket.

    Raises NoUnitLeft when the database has no unit for it, GrantUsed when the grant was given back
    or the person has another live ticket, LimitReached when the person has as many units of this
    sale as the gate should have known, Busy.
    """
    try:
        with honest_about_locks(), transaction.atomic():
            ticket = Ticket.objects.create(
                item=item,
                nonce=nonce,
                person=person,
                place=place,
                held_until=Now() + timedelta(seconds=item.sale.hold_seconds),
            )
            persons.claim_slots(
                item.sale, ticket.pk, [persons.Identity(IdentityKind.PERSON, person)]
            )
            # Check and write are one statement, whatever the gate believes is free.
            free = SaleItem.objects.filter(pk=item.pk, units__gt=F("held") + F("sold"))
            if not free.update(held=F("held") + 1):
                raise NoUnitLeft("The last unit went to somebody else just now.")
    except IntegrityError as error:
        # The twin of this request, or the keeper that found the grant unwritten, was faster.
        written = Ticket.objects.filter(
            nonce=nonce, person=person, status=TicketStatus.HELD
        ).first()
        if written is None:
            raise GrantUsed("This place was given to the next in line.") from error
        return written
    return Ticket.objects.get(pk=ticket.pk)


def refuse_late_row(item: SaleItem, *, person: str, nonce: str, place: int) -> bool:
    """Take the grant's name, so that a process that is late cannot write it down any more; False
    when it is written already. The gate may have its unit back then."""
    try:
        with transaction.atomic():
            Ticket.objects.create(
                item=item,
                nonce=nonce,
                person=person,
                place=place,
                status=TicketStatus.RETURNED,
                held_until=Now(),
                ended_at=Now(),
                note="The process that was given it has died.",
            )
    except IntegrityError:
        return False
    return True


def mark_ordered(ticket_id: int, order_id: int) -> None:
    """The ticket's unit belongs to this order now, inside the placing transaction.

    Raises TicketOver when it had expired: the order's transaction must then roll back.
    """
    held = Ticket.objects.filter(pk=ticket_id, status=TicketStatus.HELD, held_until__gt=Now())
    if not held.update(status=TicketStatus.ORDERED, order_id=order_id):
        raise TicketOver("Your time was over, and the unit went to the next in line.")


def mark_sold(ticket: Ticket) -> bool:
    """Its order was paid. False when that was known."""
    with transaction.atomic():
        ordered = Ticket.objects.filter(pk=ticket.pk, status=TicketStatus.ORDERED)
        if not ordered.update(status=TicketStatus.SOLD, ended_at=Now()):
            return False
        SaleItem.objects.filter(pk=ticket.item_id).update(held=F("held") - 1, sold=F("sold") + 1)
    return True


def expire_ticket(ticket: Ticket) -> bool:
    """Its time is over, or its order ended unpaid. False when it is not in that state any more."""
    with transaction.atomic():
        # The shopper may have ordered since we looked: then it is not ours to expire.
        over = Ticket.objects.filter(pk=ticket.pk, status=ticket.status)
        if ticket.status == TicketStatus.HELD:
            over = over.filter(held_until__lte=Now())
        if not over.update(status=TicketStatus.EXPIRED, ended_at=Now()):
            return False
        _free(ticket)
    return True


def return_ticket(ticket: Ticket, note: str) -> bool:
    """The person does not want it, or the sale takes it back. False when it was not held."""
    with transaction.atomic():
        held = Ticket.objects.filter(pk=ticket.pk, status=TicketStatus.HELD)
        if not held.update(status=TicketStatus.RETURNED, ended_at=Now(), note=note[:200]):
            return False
        _free(ticket)
    return True


def _free(ticket: Ticket) -> None:
    SaleIdentity.objects.filter(ticket_id=ticket.pk).delete()
    SaleItem.objects.filter(pk=ticket.item_id).update(held=F("held") - 1)
