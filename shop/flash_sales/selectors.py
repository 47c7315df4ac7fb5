"""Reads of tickets for their pages."""

from shop.flash_sales.models import SaleItem, Ticket
from shop.flash_sales.states import LIVE_TICKETS


def ticket_of(item: SaleItem, person: str) -> Ticket | None:
    """The person's live ticket for the item, else their latest; None when there never was one."""
    theirs = Ticket.objects.filter(item=item, person=person).select_related("order", "item__sale")
    live = theirs.filter(status__in=LIVE_TICKETS).first()
    return live or theirs.order_by("-pk").first()
