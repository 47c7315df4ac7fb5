"""A ticket becomes an order, through the ordinary placement and in one transaction with it."""

from dataclasses import replace
from typing import TYPE_CHECKING

from orders.services.placement import LineRequest, PlaceOrder, place_order
from shop.flash_sales import persons, tickets
from shop.flash_sales.errors import TicketOver
from shop.flash_sales.models import Ticket

if TYPE_CHECKING:
    from orders.models import Order


def order_with_ticket(ticket: Ticket, command: PlaceOrder) -> "Order":
    """Order the ticket's unit at the sale's price, whatever ``command`` has as its lines. A ticket
    that has been ordered with gives the order that it made.

    Raises TicketOver, LimitReached (the ticket still holds its unit: another address may do), and
    what ``place_order`` raises.
    """
    item = ticket.item
    if item.set_aside_id is None:
        raise TicketOver("This sale is not open yet.")

    def claim(order: "Order") -> None:
        tickets.mark_ordered(ticket.pk, order.pk)
        persons.claim_slots(
            item.sale,
            ticket.pk,
            persons.identities(command.email, command.address, command.card),
        )

    try:
        return place_order(
            replace(
                command,
                lines=(LineRequest(item.sku, item.title, item.price_cents, 1),),
                set_asides={item.sku: item.set_aside_id},
                hold_until=ticket.held_until,
                within=claim,
            )
        )
    except TicketOver:
        # A second tab with another form was faster: its order is this person's.
        ordered = Ticket.objects.select_related("order").get(pk=ticket.pk)
        if ordered.order is None:
            raise
        return ordered.order
