"""A person does not want their unit after all."""

from shop.flash_sales import tickets
from shop.flash_sales.models import Ticket
from shop.flash_sales.telling import Teller


def give_back(ticket: Ticket) -> bool:
    """The unit goes to the next in line at once. False when the ticket held none any more."""
    if not tickets.return_ticket(ticket, "Given back by its person."):
        return False
    Teller().tell(ticket, sold=False)
    return True
