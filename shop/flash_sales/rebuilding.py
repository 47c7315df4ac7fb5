"""The gate's facts, worked out from the database: to build it, and to tell it what changed.

A lost gate is built with places that begin far behind the last one known, so that nobody new gets
one that somebody waiting still has. Who shows a signed place gets the same one again.
"""

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from shop.flash_sales.gate import Gate, Grant
from shop.flash_sales.models import FlashSale, SaleItem, Ticket
from shop.flash_sales.states import LIVE_TICKETS, SaleStatus, TicketStatus

ASLEEP_SECONDS = 20
"""Who has not asked for so long keeps the place in line and is passed over."""

# More than all the places that can be given between two looks of the keeper.
_PLACES_APART = 1_000_000
_WORDS = {
    SaleStatus.ANNOUNCED: "open",
    SaleStatus.PAUSED: "paused",
    SaleStatus.ENDED: "ended",
}


def gate_of(item: SaleItem) -> Gate:
    return Gate(item.sale_id, item.pk)


def settings_of(item: SaleItem) -> dict[str, str]:
    """The facts that staff can change while the sale runs, as the gate has them."""
    sale = item.sale
    return {
        "status": _WORDS[SaleStatus(sale.status)],
        "starts_ms": str(round(sale.starts_at.timestamp() * 1_000)),
        "ends_ms": str(round(sale.ends_at.timestamp() * 1_000)),
        "limit": str(sale.limit_per_person),
        "rate": str(sale.admission_per_second),
        "units": str(item.units),
    }


def build_gate(item: SaleItem) -> bool:
    """Build the item's gate in place of whatever is there, from what the database says now; False
    when somebody else is at it. Grants that are not written down yet keep their unit.

    Raises GateAway; the next look then builds it.
    """
    gate = gate_of(item)
    was_there = bool(gate.facts())
    pending = [grant for grant in gate.grants() if not grant.written]
    # Of two that build at once one counts this up; the other's look is then too old to be used.
    seen = SaleItem.objects.filter(pk=item.pk, generation=item.generation)
    if not seen.update(generation=F("generation") + 1):
        return False
    fresh = SaleItem.objects.select_related("sale").get(pk=item.pk)
    tickets = list(live_tickets(fresh))
    nonces = set(
        Ticket.objects.filter(nonce__in=[grant.nonce for grant in pending]).values_list(
            "nonce", flat=True
        )
    )
    in_flight = [grant for grant in pending if grant.nonce not in nonces]
    gate.build(
        {
            **settings_of(fresh),
            "free": max(0, fresh.units - fresh.sold - len(tickets) - len(in_flight)),
            "held": len(tickets) + len(in_flight),
            "sold": fresh.sold,
            "asleep_ms": ASLEEP_SECONDS * 1_000,
            "last_place": fresh.last_place + (0 if was_there else _PLACES_APART),
            "generation": fresh.generation,
        },
        [*map(_grant_of, tickets), *in_flight],
        _units_by_person(fresh.sale, in_flight),
    )
    return True


def live_tickets(item: SaleItem) -> "QuerySet[Ticket]":
    return Ticket.objects.filter(item=item, status__in=LIVE_TICKETS)


def running_items() -> "QuerySet[SaleItem]":
    """Items whose gate must be there: of announced and paused sales, and of ended ones while a
    ticket is open."""
    shown = SaleItem.objects.select_related("sale").exclude(sale__status=SaleStatus.DRAFT)
    return shown.filter(set_aside__closed_at=None, set_aside__isnull=False)


def overdue_sales() -> "QuerySet[FlashSale]":
    """Sales that are over by the clock and not ended yet."""
    shown = (SaleStatus.ANNOUNCED, SaleStatus.PAUSED)
    return FlashSale.objects.filter(status__in=shown, ends_at__lte=Now())


def _grant_of(ticket: Ticket) -> Grant:
    since_ms = round(ticket.created_at.timestamp() * 1_000)
    return Grant(ticket.person, ticket.nonce, ticket.place, since_ms, written=True)


def _units_by_person(sale: FlashSale, in_flight: list[Grant]) -> dict[str, int]:
    """Units that count against the limit: of all items, live and sold. The key is shared by the
    sale's gates, so that it must be complete."""
    counted = (*LIVE_TICKETS, TicketStatus.SOLD)
    units: dict[str, int] = {}
    rows = Ticket.objects.filter(item__sale=sale, status__in=counted)
    for person in rows.values_list("person", flat=True):
        units[person] = units.get(person, 0) + 1
    for grant in in_flight:
        units[grant.person] = units.get(grant.person, 0) + 1
    return units
