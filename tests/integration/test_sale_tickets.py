"""A unit is held for a person by the database: once, in time, within the limit."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import connections
from django.db.models.functions import Now

from orders.models import Order
from orders.services.cards import Card
from shop.flash_sales import tickets
from shop.flash_sales.errors import GrantUsed, LimitReached, NoUnitLeft, SaleError, TicketOver
from shop.flash_sales.models import SaleIdentity, SaleItem, Ticket
from shop.flash_sales.ordering import order_with_ticket
from shop.flash_sales.states import IdentityKind, TicketStatus
from tests.integration.keeping import again, announced, checkout, counts, ticket_for
from tests.integration.shopping import units

pytestmark = pytest.mark.django_db
# Others than the test itself look at the tables.
SEEN_BY_OTHERS = pytest.mark.django_db(transaction=True)


def at_once(acts: Sequence[Callable[[], object]]) -> list[str]:
    """What came of each, all done at the same moment on connections of their own."""
    gate = Barrier(len(acts))

    def go(act: Callable[[], object]) -> str:
        gate.wait(timeout=30)
        try:
            act()
        except SaleError as error:
            return type(error).__name__
        else:
            return "done"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as people:
        return list(people.map(go, acts))


def overdue(ticket: Ticket) -> Ticket:
    Ticket.objects.filter(pk=ticket.pk).update(held_until=Now())
    return Ticket.objects.get(pk=ticket.pk)


def ordered(item: SaleItem, name: str, *, house: str) -> tuple[Ticket, Order]:
    ticket = ticket_for(item, name)
    order = order_with_ticket(ticket, checkout(name, house=house))
    return Ticket.objects.get(pk=ticket.pk), order


def test_a_grant_becomes_a_ticket_and_the_same_grant_is_the_same_ticket() -> None:
    item = announced(3)
    first = tickets.write_ticket(item, person="ann", nonce="n-1", place=1)
    second = tickets.write_ticket(item, person="ann", nonce="n-1", place=1)

    assert first == second
    assert counts(item) == (2, 1, 0)


def test_a_grant_is_no_ticket_of_somebody_else() -> None:
    item = announced(3)
    tickets.write_ticket(item, person="ann", nonce="n-1", place=1)

    with pytest.raises(GrantUsed):
        tickets.write_ticket(item, person="bob", nonce="n-1", place=1)
    assert counts(item) == (2, 1, 0)


@SEEN_BY_OTHERS
def test_twenty_grants_of_three_units_are_three_tickets() -> None:
    item = announced(3)
    answers = at_once([partial(ticket_for, item, f"p{n}") for n in range(20)])

    assert sorted(answers) == ["NoUnitLeft"] * 17 + ["done"] * 3
    assert counts(item) == (0, 3, 0)
    assert SaleIdentity.objects.count() == 3


def test_a_person_has_no_second_ticket_beside_a_live_one() -> None:
    item = announced(3, limit_per_person=2)
    ticket_for(item, "ann")

    with pytest.raises(GrantUsed):
        ticket_for(item, "ann")
    assert counts(item) == (2, 1, 0)


def test_the_database_knows_the_limit_also_when_the_gate_forgot_it() -> None:
    item = announced(3)
    ticket, _ = ordered(item, "ann", house="1")
    assert tickets.mark_sold(ticket)

    with pytest.raises(LimitReached) as refusal:
        ticket_for(item, "ann")
    assert refusal.value.kind is IdentityKind.PERSON
    assert counts(item) == (2, 0, 1)


def test_a_grant_that_was_given_back_cannot_be_written_down_by_a_late_process() -> None:
    item = announced(3)
    assert tickets.refuse_late_row(item, person="ann", nonce="n-1", place=1)

    with pytest.raises(GrantUsed):
        tickets.write_ticket(item, person="ann", nonce="n-1", place=1)
    assert counts(item) == (3, 0, 0)


def test_a_written_ticket_is_not_given_back_as_an_unwritten_one() -> None:
    item = announced(3)
    tickets.write_ticket(item, person="ann", nonce="n-1", place=1)

    assert not tickets.refuse_late_row(item, person="ann", nonce="n-1", place=1)
    assert counts(item) == (2, 1, 0)


def test_a_ticket_becomes_an_order_at_the_sales_price_until_the_tickets_end() -> None:
    item = announced(3)
    ticket, order = ordered(item, "ann", house="1")

    assert ticket.status == TicketStatus.ORDERED
    assert ticket.order == order
    assert order.hold_expires_at == ticket.held_until
    assert [(line.sku, line.quantity, line.unit_price_cents) for line in order.lines.all()] == [
        ("VASE", 1, 900)
    ]
    assert (counts(item), units("VASE")) == ((2, 1, 0), (10, 3))


def test_the_last_set_aside_units_are_not_for_orders_without_a_ticket_of_this_moment() -> None:
    item = announced(1)
    ticket = overdue(ticket_for(item, "ann"))

    with pytest.raises(TicketOver):
        order_with_ticket(ticket, checkout())
    assert not Order.objects.exists()
    assert SaleIdentity.objects.count() == 1


@SEEN_BY_OTHERS
def test_two_forms_of_one_ticket_are_one_order() -> None:
    item = announced(3)
    ticket = ticket_for(item, "ann")

    answers = at_once([lambda: order_with_ticket(ticket, checkout("ann")) for _ in range(6)])

    assert answers == ["done"] * 6
    assert Order.objects.count() == 1
    assert counts(item) == (2, 1, 0)


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        (replace(checkout("B.O.B+x", house="9"), email="b.o.b+x@gmail.com"), IdentityKind.MAIL),
        (checkout("carl", house="1 "), IdentityKind.ADDRESS),
        (
            replace(checkout("carl", house="9"), card=Card("pm_2", "visa", "4242", "print")),
            IdentityKind.CARD,
        ),
    ],
)
def test_another_visitor_who_is_the_same_person_is_refused_with_the_reason(
    other: object, kind: IdentityKind
) -> None:
    item = announced(3)
    first = replace(
        checkout(house="1"), email="bob@gmail.com", card=Card("pm_1", "visa", "4242", "print")
    )
    order_with_ticket(ticket_for(item, "first"), first)
    second = ticket_for(item, "second", place=2)

    with pytest.raises(LimitReached) as refusal:
        order_with_ticket(second, other)  # type: ignore[arg-type]  # parametrize loses the type

    assert refusal.value.kind is kind
    assert Order.objects.count() == 1
    assert Ticket.objects.get(pk=second.pk).status == TicketStatus.HELD
    assert units("VASE") == (10, 3)


@SEEN_BY_OTHERS
def test_ten_at_once_with_one_postal_address_are_one_order() -> None:
    item = announced(10)
    held = [ticket_for(item, f"p{n}", place=n) for n in range(10)]
    acts = [partial(order_with_ticket, ticket, checkout(f"p{n}")) for n, ticket in enumerate(held)]

    assert sorted(at_once(acts)) == ["LimitReached"] * 9 + ["done"]
    assert Order.objects.count() == 1


def test_a_limit_of_two_lets_two_through_and_frees_a_slot_with_its_ticket() -> None:
    item = announced(5, limit_per_person=2)
    for n in range(2):
        order_with_ticket(ticket_for(item, f"p{n}"), checkout("ann"))
    third = ticket_for(item, "p3")
    with pytest.raises(LimitReached):
        order_with_ticket(third, checkout("ann"))

    first = Ticket.objects.get(person="p0")
    assert tickets.expire_ticket(first)
    assert order_with_ticket(third, checkout("ann")).pk


def test_a_ticket_that_expires_or_is_given_back_frees_its_unit_once() -> None:
    item = announced(3)
    kept, over, unwanted = (ticket_for(item, name) for name in ("ann", "bob", "cem"))
    over = overdue(over)

    assert not tickets.expire_ticket(kept)
    assert [tickets.expire_ticket(over), tickets.expire_ticket(over)] == [True, False]
    assert [tickets.return_ticket(unwanted, "not wanted") for _ in range(2)] == [True, False]
    assert counts(item) == (2, 1, 0)
    assert again(item).held == Ticket.objects.filter(status=TicketStatus.HELD).count()
    with pytest.raises(NoUnitLeft):
        for n in range(3):
            ticket_for(item, f"p{n}", place=uuid4().int % 1_000)
