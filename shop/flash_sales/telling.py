"""The gate hears at once that a ticket has ended: somebody waits for its unit."""

from shop.flash_sales.gate import Gate, GateAway
from shop.flash_sales.models import Ticket


class Teller:
    """Tells of some tickets. After a gate that is away the rest is left to the keeper's next look,
    which compares all: waiting for each answer in vain would keep the others from their end."""

    def __init__(self) -> None:
        self._is_away = False

    def tell(self, ticket: Ticket, *, sold: bool) -> None:
        """``ticket``, with its item, has ended in a transaction that is committed."""
        if self._is_away:
            return
        gate = Gate(ticket.item.sale_id, ticket.item_id)
        try:
            gate.end_ticket(ticket.person, ticket.nonce, sold=sold)
        except GateAway:
            self._is_away = True
