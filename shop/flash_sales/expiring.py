"""What time and orders do to tickets: they expire, or are sold. The gate hears of each at once."""

from collections.abc import Callable
from contextlib import suppress

from django.db.models import QuerySet
from django.db.models.functions import Now

from orders.selectors import Fate, has_fate
from orders.services.sweeping import expire_hold
from orders.states import OrderStatus
from shop.flash_sales.gate import Gate, GateAway
from shop.flash_sales.models import Ticket
from shop.flash_sales.states import TicketStatus
from shop.flash_sales.telling import Teller
from shop.flash_sales.tickets import expire_ticket, mark_sold

_AT_ONCE = 500


def expire_unused() -> int:
    """Free the units of tickets with which nobody ordered in time; how many, 500 at most."""
    over = Ticket.objects.filter(status=TicketStatus.HELD, held_until__lte=Now())
    return _move(over, expire_ticket, sold=False)


def follow_ended() -> int:
    """Free the units of tickets whose order was cancelled or has expired; how many, 500 at most."""
    return _move(_ordered(Fate.ENDED), expire_ticket, sold=False)


def follow_paid(most: int = _AT_ONCE) -> int:
    """Tickets whose order was paid are sold; how many, ``most`` at most."""
    return _move(_ordered(Fate.PAID), _sell, sold=True, most=most)


def expire_declined() -> int:
    """Expire the orders of tickets whose time is over and whose card failed; how many.

    A failed card may be followed by another one until then, and no longer: somebody waits.
    """
    over = Ticket.objects.filter(
        status=TicketStatus.ORDERED, held_until__lte=Now(), order__status=OrderStatus.PAYMENT_FAILED
    )
    return _move(over, _expire_with_order, sold=False)


def _expire_with_order(ticket: Ticket) -> bool:
    # Each at once, not all orders and then all tickets: somebody waits for the first of them.
    return ticket.order_id is not None and expire_hold(ticket.order_id) and expire_ticket(ticket)


def _sell(ticket: Ticket) -> bool:
    # A gate that was built while the ticket was written may not know it yet. It learns of live
    # tickets only: of a sold one it would never hear, and believe its unit free for ever.
    with suppress(GateAway):
        Gate(ticket.item.sale_id, ticket.item_id).adopt(ticket.person, ticket.nonce, ticket.place)
    return mark_sold(ticket)


def _ordered(fate: Fate) -> "QuerySet[Ticket]":
    return Ticket.objects.filter(has_fate(fate, "order__"), status=TicketStatus.ORDERED)


def _move(
    due: "QuerySet[Ticket]", move: Callable[[Ticket], bool], *, sold: bool, most: int = _AT_ONCE
) -> int:
    teller, moved = Teller(), 0
    for ticket in due.select_related("item").order_by("held_until")[:most]:
        if move(ticket):
            teller.tell(ticket, sold=sold)
            moved += 1
    return moved
