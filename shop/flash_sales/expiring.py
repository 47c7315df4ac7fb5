"""What time and orders do to tickets: they expire, or are sold. The gate hears of it afterwards."""

from contextlib import suppress

from django.db.models.functions import Now

from orders import selectors
from orders.selectors import Fate
from orders.services.sweeping import expire_hold
from orders.states import OrderStatus
from shop.flash_sales.gate import Gate, GateAway
from shop.flash_sales.models import Ticket
from shop.flash_sales.states import TicketStatus
from shop.flash_sales.tickets import expire_ticket, mark_sold

_AT_ONCE = 500


def expire_unused() -> int:
    """Free the units of tickets with which nobody ordered in time; how many, 500 at most."""
    over = Ticket.objects.filter(status=TicketStatus.HELD, held_until__lte=Now())
    return sum(map(expire_ticket, over.order_by("held_until")[:_AT_ONCE]))


def follow_orders() -> int:
    """Bring tickets where their orders are: sold, or expired; how many moved.

    An order whose card failed has until its ticket's end for another one, and expires then at once:
    somebody waits for its unit.
    """
    moved = 0
    waiting = Ticket.objects.select_related("item").filter(status=TicketStatus.ORDERED)
    ordered = list(waiting.order_by("pk"))
    for start in range(0, len(ordered), _AT_ONCE):
        tickets = ordered[start : start + _AT_ONCE]
        ids = [ticket.order_id for ticket in tickets if ticket.order_id is not None]
        fates = selectors.order_fates(ids)
        for ticket in tickets:
            fate = fates.get(ticket.order_id or 0, Fate.OPEN)
            moved += _follow(ticket, fate)
    return moved


def expire_declined() -> int:
    """Expire the orders of tickets whose time is over and whose card failed; how many."""
    over = Ticket.objects.filter(
        status=TicketStatus.ORDERED, held_until__lte=Now(), order__status=OrderStatus.PAYMENT_FAILED
    )
    ids = over.order_by("held_until").values_list("order_id", flat=True)[:_AT_ONCE]
    return sum(expire_hold(order_id) for order_id in ids if order_id is not None)


def _follow(ticket: Ticket, fate: Fate) -> bool:
    if fate is Fate.PAID:
        # A gate that was built while the ticket was written may not know it yet. It learns of live
        # tickets only: of a sold one it would never hear, and believe its unit free for ever.
        with suppress(GateAway):
            gate = Gate(ticket.item.sale_id, ticket.item_id)
            gate.adopt(ticket.person, ticket.nonce, ticket.place)
        return mark_sold(ticket)
    return fate is Fate.ENDED and expire_ticket(ticket)
