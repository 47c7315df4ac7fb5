"""A person does not want their unit after all."""

from contextlib import suppress

from shop.flash_sales import tickets
from shop.flash_sales.gate import Gate, GateAway
from shop.flash_sales.models import Ticket


def give_back(ticket: Ticket) -> bool:
    """The unit goes to the next in line at once. False when the ticket held none any more."""
    if not tickets.return_ticket(ticket, "Given back by its person."):
        return False
    # A gate that is away is told by the keeper.
    with suppress(GateAway):
        Gate(ticket.item.sale_id, ticket.item_id).end_ticket(
            ticket.person, ticket.nonce, sold=False
        )
    return True
