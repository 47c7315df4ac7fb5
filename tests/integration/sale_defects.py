"""Defects put into a sale on purpose: its check is worth something only if it finds each."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from orders.services import set_aside
from shop.flash_sales import persons, selling, tickets, wire
from shop.flash_sales.errors import GrantUsed
from shop.flash_sales.models import SaleItem, Ticket
from shop.flash_sales.states import IdentityKind, TicketStatus

Defect = Callable[[], AbstractContextManager[Any]]
_TABLE = "ALTER TABLE flash_sales_saleitem"


@contextmanager
def unit_given_unseen() -> Iterator[None]:
    """A ticket is written without a look at what is free, and the table has no constraint."""

    def write(item: SaleItem, *, person: str, nonce: str, place: int) -> Ticket:
        until = Now() + timedelta(seconds=item.sale.hold_seconds)
        try:
            with transaction.atomic():
                ticket = Ticket.objects.create(
                    item=item, nonce=nonce, person=person, place=place, held_until=until
                )
                who = persons.Identity(IdentityKind.PERSON, person)
                persons.claim_slots(item.sale, ticket.pk, [who])
                SaleItem.objects.filter(pk=item.pk).update(held=F("held") + 1)
        except IntegrityError as error:
            raise GrantUsed("It was.") from error
        return ticket

    with connection.cursor() as cursor:
        cursor.execute(f"{_TABLE} DROP CONSTRAINT sale_item_within_units")
    try:
        with _instead(write, "entry.write_ticket", "database_line.write_ticket"):
            yield
    finally:
        with connection.cursor() as cursor:
            check = "CHECK (units >= held + sold)"
            cursor.execute(f"{_TABLE} ADD CONSTRAINT sale_item_within_units {check}")


def freed_twice_by_the_gate() -> AbstractContextManager[Any]:
    return _script(
        "end_ticket",
        "move_fact(became == 'sold' and 'sold' or 'free', 1)",
        "move_fact(became == 'sold' and 'sold' or 'free', 2)",
    )


def expired_before_its_time() -> AbstractContextManager[Any]:
    def expire_unused() -> int:
        return sum(expire(ticket) for ticket in Ticket.objects.filter(status=TicketStatus.HELD))

    def expire(ticket: Ticket) -> bool:
        with transaction.atomic():
            held = Ticket.objects.filter(pk=ticket.pk, status=TicketStatus.HELD)
            if not held.update(status=TicketStatus.EXPIRED, ended_at=Now()):
                return False
            tickets._free(ticket)
        return True

    return _instead(expire_unused, "keeper.expire_unused", "expiring.expire_unused")


def given_back_although_it_moved() -> AbstractContextManager[Any]:
    """Its person may have ordered in another tab, and the keeper may have let it expire."""

    def give_back(ticket: Ticket, note: str) -> bool:
        with transaction.atomic():
            Ticket.objects.filter(pk=ticket.pk).update(
                status=TicketStatus.RETURNED, ended_at=Now(), note=note
            )
            tickets._free(ticket)
        return True

    return patch.object(tickets, "return_ticket", give_back)


def nobody_has_a_slot() -> AbstractContextManager[Any]:
    return patch.object(persons, "claim_slots", lambda *_: None)


def ordered_with_any_ticket() -> AbstractContextManager[Any]:
    """Whether it still holds its unit is not asked."""

    def mark(ticket_id: int, order_id: int) -> None:
        free = Ticket.objects.filter(pk=ticket_id, order=None)
        free.update(status=TicketStatus.ORDERED, order_id=order_id)

    return patch.object(tickets, "mark_ordered", mark)


def added_and_not_set_aside() -> AbstractContextManager[Any]:
    return patch.object(set_aside, "add_units", lambda *_: None)


def ended_by_what_was_read() -> AbstractContextManager[Any]:
    """A ticket that moves while the free units go back is overlooked."""

    def give_back(item: SaleItem, _: str) -> int:
        with transaction.atomic():
            SaleItem.objects.filter(pk=item.pk).update(units=item.units - item.free)
            if item.free:
                set_aside.keep_less(item.set_aside_id or 0, item.free)
            if item.held == 0:
                set_aside.close(item.set_aside_id or 0)
        return item.free

    return patch.object(selling, "_give_back", give_back)


def _instead(function: Any, *names: str) -> AbstractContextManager[Any]:
    stack = ExitStack()
    for name in names:
        stack.enter_context(patch(f"shop.flash_sales.{name}", function))
    return stack


def _script(name: str, right: str, wrong: str) -> AbstractContextManager[Any]:
    real = wire.script

    def script(wanted: str) -> wire.Script:
        found = real(wanted)
        if wanted != name:
            return found
        assert right in found.text
        return wire.Script.of(found.text.replace(right, wrong))

    return patch.object(wire, "script", script)


DEFECTS: dict[str, Defect] = {
    defect.__name__: defect
    for defect in (
        unit_given_unseen,
        freed_twice_by_the_gate,
        expired_before_its_time,
        given_back_although_it_moved,
        nobody_has_a_slot,
        ordered_with_any_ticket,
        added_and_not_set_aside,
        ended_by_what_was_read,
    )
}
