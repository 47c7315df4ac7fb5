"""Where the gate of an item and the database do not say the same. Read only: nothing is mended."""

from dataclasses import dataclass

from django.db.models import Count, Q

from shop.flash_sales.gate import Gate, GateAway
from shop.flash_sales.models import SaleItem
from shop.flash_sales.states import LIVE_TICKETS, SaleStatus, TicketStatus


@dataclass(frozen=True, slots=True)
class GateUnits:
    """``unwritten``: granted, and not a row yet; they are among ``held``."""

    free: int
    held: int
    sold: int
    unwritten: int


@dataclass(frozen=True, slots=True)
class Drift:
    """One item at one moment. ``live`` and ``sold_tickets`` are counted from the tickets. ``gate``:
    None when it is lost or did not answer; ``gate_answers`` tells the two apart."""

    item: SaleItem
    live: int
    sold_tickets: int
    gate: GateUnits | None
    gate_answers: bool

    @property
    def units(self) -> int | None:
        """By how many units the gate believes in more (below 0: fewer) than the database."""
        if self.gate is None:
            return None
        return self.gate.free + self.gate.unwritten - self.item.free

    @property
    def needs_gate(self) -> bool:
        return self.item.sale.status in (SaleStatus.ANNOUNCED, SaleStatus.PAUSED)


def drift_of(item: SaleItem) -> Drift:
    """The gate is asked first: a grant that is written down in between is then no drift upwards."""
    gate, answers = _gate_units(item)
    # One statement is one snapshot: the row and its tickets are of the same moment.
    counted = SaleItem.objects.select_related("sale", "set_aside").annotate(
        live_tickets=Count("tickets", filter=Q(tickets__status__in=LIVE_TICKETS)),
        sold_tickets=Count("tickets", filter=Q(tickets__status=TicketStatus.SOLD)),
    )
    now = counted.get(pk=item.pk)
    return Drift(now, now.live_tickets, now.sold_tickets, gate, answers)


def _gate_units(item: SaleItem) -> tuple[GateUnits | None, bool]:
    gate = Gate(item.sale_id, item.pk)
    try:
        facts = gate.facts()
        unwritten = sum(not grant.written for grant in gate.grants()) if facts else 0
    except GateAway:
        return None, False
    if not facts:
        return None, True
    free, held, sold = (int(facts.get(name, 0)) for name in ("free", "held", "sold"))
    return GateUnits(free, held, sold, unwritten), True
