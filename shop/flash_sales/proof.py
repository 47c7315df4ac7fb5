"""The proof of a sale: its units, tickets, persons and gate fit each other. It changes nothing."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from django.db.models import Count
from django.utils import timezone

from orders.selectors import Fate, order_fates
from orders.services.audit_faults import LOST, OVERSOLD, Rule
from orders.services.audit_parts import CannotProve, Part, PartAnswer, add_part
from shop.flash_sales.drift import Drift, drift_of
from shop.flash_sales.models import FlashSale, Ticket
from shop.flash_sales.states import LIVE_TICKETS, TicketStatus

# What is on its way for a moment is no difference: the gate is asked again before it is called one.
_LOOKS, _BETWEEN_SECONDS = 3, 1.0
_KEEPER_IS_LATE = timedelta(seconds=30)
Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """A ticket and the order that was made with it, if any, as the rules need them."""

    pk: int
    status: TicketStatus
    item_id: int
    is_overdue: bool
    order_id: int | None
    fate: Fate | None
    lines: tuple[tuple[str, int, int], ...]

    def __str__(self) -> str:
        return f"ticket {self.pk} ({self.status.label})"


def prove_sale(slug: str, settled: bool) -> PartAnswer:
    """The rules of one sale, and its orders. Raises CannotProve."""
    sale = FlashSale.objects.filter(slug=slug).first()
    if sale is None:
        raise CannotProve(f"There is no sale '{slug}'.")
    drifts = [_steady_drift(item) for item in sale.items.all()]
    if silent := [drift.item.sku for drift in drifts if not drift.gate_answers]:
        raise CannotProve(f"The gate of {', '.join(silent)} does not answer. Start its Redis.")
    tickets = ticket_facts(sale)
    items = {drift.item.pk: (drift.item.sku, drift.item.price_cents) for drift in drifts}
    return PartAnswer(
        (
            _rule(OVERSOLD, "Units of a sale = sold + held + free", drifts, unit_faults),
            _rule(OVERSOLD, "What a sale has is what is set aside", drifts, set_aside_faults),
            Rule(
                OVERSOLD,
                "Nobody has more units than the limit",
                tuple(_above_limit(sale)),
                len(tickets),
            ),
            _rule(
                OVERSOLD,
                "A ticket's order is one unit of its item at its price",
                tickets,
                lambda ticket: order_faults(ticket, items[ticket.item_id]),
            ),
            _rule(LOST, "A ticket is what became of its order", tickets, fate_faults),
            _rule(
                LOST, "Every ticket comes to an end", tickets, lambda one: late_faults(one, settled)
            ),
            _rule(LOST, "The gate says what the database says", drifts, gate_faults),
        ),
        tuple(ticket.order_id for ticket in tickets if ticket.order_id is not None),
    )


def ticket_facts(sale: FlashSale) -> list[TicketFacts]:
    """Four queries, whatever the number of tickets."""
    late = timezone.now() - _KEEPER_IS_LATE
    rows = list(Ticket.objects.filter(item__sale=sale).prefetch_related("order__lines"))
    fates = order_fates(row.order_id for row in rows if row.order_id is not None)
    return [
        TicketFacts(
            row.pk,
            TicketStatus(row.status),
            row.item_id,
            row.held_until < late,
            row.order_id,
            fates.get(row.order_id) if row.order_id is not None else None,
            tuple(
                (line.sku, line.quantity, line.unit_price_cents)
                for line in (row.order.lines.all() if row.order else ())
            ),
        )
        for row in rows
    ]


def unit_faults(drift: Drift) -> Iterator[str]:
    item = drift.item
    if (item.held, item.sold) != (drift.live, drift.sold_tickets) or item.free < 0:
        yield (
            f"{item.sku}: {item.units} units, {item.sold} sold, {item.held} held; its tickets say "
            f"{drift.sold_tickets} sold, {drift.live} held"
        )


def set_aside_faults(drift: Drift) -> Iterator[str]:
    item, kept = drift.item, drift.item.set_aside
    if kept is None:
        if item.units:
            yield f"{item.sku}: {item.units} units, and nothing is set aside"
    elif kept.closed_at is None and kept.quantity != item.units:
        yield f"{item.sku}: {item.units} units, and {kept.quantity} are set aside"
    elif kept.closed_at is not None and item.held:
        yield f"{item.sku}: {item.held} held, and what was set aside is closed"
    elif kept.taken > item.held + item.sold:
        yield f"{item.sku}: orders took {kept.taken}; {item.held} held, {item.sold} sold"


def order_faults(ticket: TicketFacts, item: tuple[str, int]) -> Iterator[str]:
    sku, price_cents = item
    if ticket.order_id is not None and ticket.lines != ((sku, 1, price_cents),):
        yield f"{ticket}: its order has {ticket.lines}"
    if ticket.order_id is None and ticket.status in (TicketStatus.ORDERED, TicketStatus.SOLD):
        yield f"{ticket}: it has no order"


def fate_faults(ticket: TicketFacts) -> Iterator[str]:
    # An expired ticket's order may be paid: money that came late gets units from the shelf.
    if ticket.status == TicketStatus.SOLD and ticket.fate != Fate.PAID:
        yield f"{ticket}: its order was never paid"
    if ticket.status == TicketStatus.EXPIRED and ticket.fate == Fate.OPEN:
        yield f"{ticket}: its order still waits for money"


def late_faults(ticket: TicketFacts, settled: bool) -> Iterator[str]:
    if ticket.status not in LIVE_TICKETS:
        return
    # An order that the bank is still asked about keeps its unit beyond its time.
    waits_for_keeper = ticket.fate in (None, Fate.PAID, Fate.ENDED)
    if settled or (ticket.is_overdue and waits_for_keeper):
        yield f"{ticket}: it should have ended. Does the keeper run?"


def gate_faults(drift: Drift) -> Iterator[str]:
    item, gate = drift.item, drift.gate
    if gate is None:
        if drift.needs_gate:
            yield f"{item.sku}: the gate is lost, and was not built again. Does the keeper run?"
        return
    says = (gate.free + gate.unwritten, gate.held - gate.unwritten, gate.sold)
    if says != (item.free, item.held, item.sold):
        yield (
            f"{item.sku}: the gate says {says[0]} free, {says[1]} held, {says[2]} sold; the "
            f"database {item.free}, {item.held}, {item.sold}"
        )


def _steady_drift(item: Any) -> Drift:
    for _ in range(_LOOKS - 1):
        drift = drift_of(item)
        if not drift.gate_answers or not any(gate_faults(drift)):
            return drift
        time.sleep(_BETWEEN_SECONDS)
    return drift_of(item)


def _above_limit(sale: FlashSale) -> Iterator[str]:
    theirs = Ticket.objects.filter(
        item__sale=sale, status__in=(*LIVE_TICKETS, TicketStatus.SOLD)
    ).order_by()
    counted = theirs.values_list("person").annotate(units=Count("pk"))
    for person, units in counted.filter(units__gt=sale.limit_per_person):
        yield f"{person}: {units} units, and the limit is {sale.limit_per_person}"
    slots = sale.identities.filter(slot__gt=sale.limit_per_person).order_by()
    for kind, ticket_id in slots.values_list("kind", "ticket_id"):
        yield f"ticket {ticket_id}: beyond the limit by its {kind}"


def _rule(
    kind: str, title: str, things: Iterable[Thing], faults: Callable[[Thing], Iterable[str]]
) -> Rule:
    looked_at = list(things)
    found = tuple(fault for thing in looked_at for fault in faults(thing))
    return Rule(kind, title, found, len(looked_at))


add_part(Part("sale", "SLUG", "prove one flash sale: units, tickets, gate, orders", prove_sale))
