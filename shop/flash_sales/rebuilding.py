"""The gate's facts, worked out from the database: to build it, and to tell it what changed.

A lost gate is built with places that begin far behind the last one known, so that nobody new gets
one that somebody waiting still has. Who shows a signed place gets the same one again.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import F, Max, Q, QuerySet
from django.db.models.functions import Now

from shop.flash_sales.gate import Gate, Grant
from shop.flash_sales.models import FlashSale, SaleItem, Ticket
from shop.flash_sales.states import LIVE_TICKETS, SaleStatus, TicketStatus

ASLEEP_SECONDS = 3
"""Who is so much later with asking again than the gate said is passed over."""

# More than all the places that can be given between two looks of the keeper.
_PLACES_APART = 1_000_000
# Late visitors of an ended sale are answered by its gate for so long.
_KEPT_AFTER_END = timedelta(days=1)
_COUNTED = (*LIVE_TICKETS, TicketStatus.SOLD)
_WORDS = {
    SaleStatus.ANNOUNCED: "open",
    SaleStatus.PAUSED: "paused",
    SaleStatus.ENDED: "ended",
}


def gate_of(item: SaleItem) -> Gate:
    return Gate(item.sale_id, item.pk)


def settings_of(item: SaleItem) -> dict[str, str]:
    """The facts that can change while the sale runs, as the gate has them."""
    sale = item.sale
    return {
        "status": _WORDS[SaleStatus(sale.status)],
        "starts_ms": str(round(sale.starts_at.timestamp() * 1_000)),
        "ends_ms": str(round(sale.ends_at.timestamp() * 1_000)),
        "limit": str(sale.limit_per_person),
        "rate": str(sale.admission_per_second),
        "units": str(item.units),
    }


def build_gates(sale: FlashSale) -> bool:
    """Build the gates of all items from what the database says now, in place of whatever is there;
    False when somebody else is at it. Who waits and grants that are not written down yet are kept.

    Raises GateAway; the next look then builds them: their generation is not the database's.
    """
    # Of two that build at once one counts this up; the other has looked at a time that is over.
    seen = FlashSale.objects.filter(pk=sale.pk, generation=sale.generation)
    if not seen.update(generation=F("generation") + 1):
        return False
    for item in SaleItem.objects.select_related("sale").filter(sale_id=sale.pk):
        _build(item)
    return True


def _build(item: SaleItem) -> None:
    gate = gate_of(item)
    is_lost = not gate.facts()
    # One statement tells held and sold ones apart, and who has them: with two, one that is paid in
    # between would be neither, and its unit free for ever; one that is written down in between
    # would be its person's now and once more when it is learnt of.
    counted = Ticket.objects.filter(item=item, status__in=_COUNTED)
    tickets = [ticket for ticket in counted if ticket.status != TicketStatus.SOLD]
    sold = len(counted) - len(tickets)
    facts: dict[str, object] = {
        **settings_of(item),
        "free": item.units - sold - len(tickets),
        "held": len(tickets),
        "sold": sold,
        "asleep_ms": ASLEEP_SECONDS * 1_000,
        "last_place": item.last_place + (_PLACES_APART if is_lost else 0),
        "generation": item.sale.generation,
    }
    used = Counter(ticket.person for ticket in counted)
    gate.build(facts, map(_grant_of, tickets), used, _spent_places(item))


def live_tickets(item: SaleItem) -> "QuerySet[Ticket]":
    return Ticket.objects.filter(item=item, status__in=LIVE_TICKETS)


def gated_items() -> "QuerySet[SaleItem]":
    """Items whose gate must be there: of announced and paused sales, and of ended ones while a
    ticket is open, and for a day."""
    ended = Q(sale__status=SaleStatus.ENDED)
    recent = Q(sale__ended_at__gt=Now() - _KEPT_AFTER_END)
    still_asked = ~ended | recent | Q(set_aside__closed_at=None, set_aside__isnull=False)
    shown = SaleItem.objects.select_related("sale").exclude(sale__status=SaleStatus.DRAFT)
    return shown.filter(still_asked)


def _grant_of(ticket: Ticket) -> Grant:
    since_ms = round(ticket.created_at.timestamp() * 1_000)
    return Grant(ticket.person, ticket.nonce, ticket.place, since_ms, written=True)


def _spent_places(item: SaleItem) -> dict[str, int]:
    # A grant that was never written down was nobody's turn: its row ended as it began.
    rows: Iterable[Any] = (
        Ticket.objects.filter(item=item, held_until__gt=F("created_at"))
        .order_by()
        .values_list("person")
        .annotate(Max("place"))
    )
    return dict(rows)
