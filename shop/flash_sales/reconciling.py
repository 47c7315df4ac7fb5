"""Gate and database are brought together, ticket by ticket; the database has the last word.

The gate is read first and the database after it. Whatever happens in between looks like a
difference for once; each step names the ticket that it is about, so that a step that comes late
changes nothing, or is undone by the next look.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from shop.flash_sales.drift import drift_of
from shop.flash_sales.gate import Gate, GateAway, Grant
from shop.flash_sales.models import SaleItem, Ticket
from shop.flash_sales.rebuilding import gate_of, live_tickets, settings_of
from shop.flash_sales.states import LIVE_TICKETS, TicketStatus
from shop.flash_sales.tickets import refuse_late_row

GRANT_SECONDS = 5
"""A grant whose row is not there by then is given back: its process died."""

COMPARE_SECONDS = 5.0
"""So often gate and database are compared ticket by ticket, even when their numbers agree."""

_LOOKS = 4


@dataclass(frozen=True, slots=True)
class Difference:
    """Units of which the gate says other than the database, and whether the gate is there."""

    units: int
    is_lost: bool


def reconcile(item: SaleItem) -> bool:
    """Tell the gate what it does not know of this item; False when it was lost or is of another
    generation and must be built. Raises GateAway."""
    gate = gate_of(item)
    facts = gate.facts()
    if facts.get("generation") != str(item.sale.generation):
        return False
    grants = gate.grants()
    changed = {name: to for name, to in settings_of(item).items() if facts.get(name) != to}
    gate.change(**changed)
    _settle_grants(item, gate, grants)
    _adopt_unknown(item, gate, {grant.nonce for grant in grants})
    _remember_place(item, facts)
    return True


class Reconciler:
    """Reconciles items again and again, and asks little of those for which nothing changed."""

    def __init__(self) -> None:
        self._compared_at: dict[int, float] = {}  # item → monotonic

    def look(self, item: SaleItem) -> bool:
        """As ``reconcile``. ``item``, with its sale, was read just now. Raises GateAway."""
        gate, now = gate_of(item), time.monotonic()
        if now - self._compared_at.get(item.pk, float("-inf")) < COMPARE_SECONDS:
            facts = gate.facts()
            if _says_the_same(facts, item):
                gate.change()  # lets those out of the line who do not ask any more
                _remember_place(item, facts)
                return True
        is_whole = reconcile(item)
        if is_whole:
            self._compared_at[item.pk] = now
        return is_whole


def difference(item: SaleItem) -> Difference:
    """How far the gate is from the database now; grants that are being written count as free.
    Raises GateAway.

    The two cannot be read at one moment, so that a busy sale is looked at again: what differs for
    once is no drift.
    """
    looks = (_difference(item) for _ in range(_LOOKS))
    smallest = next(looks)
    while smallest.units and (again := next(looks, None)):
        smallest = min(smallest, again, key=lambda look: look.units)
    return smallest


def _difference(item: SaleItem) -> Difference:
    drift = drift_of(item)
    if not drift.gate_answers:
        raise GateAway("The gate's Redis does not answer.")
    return Difference(abs(drift.units or 0), is_lost=drift.gate is None)


def _says_the_same(facts: Mapping[str, str], item: SaleItem) -> bool:
    """Each grant that is not written down yet, and each ticket that the gate does not know, makes a
    number differ. Two that make up for each other are found by the next comparison."""
    known = settings_of(item) | {
        "generation": str(item.sale.generation),
        **{name: str(getattr(item, name)) for name in ("free", "held", "sold")},
    }
    return all(facts.get(name) == value for name, value in known.items())


def _remember_place(item: SaleItem, facts: Mapping[str, str]) -> None:
    last_place = int(facts.get("last_place", 0))
    if last_place > item.last_place:
        further = SaleItem.objects.filter(pk=item.pk, last_place__lt=last_place)
        further.update(last_place=last_place)


def _settle_grants(item: SaleItem, gate: Gate, grants: list[Grant]) -> None:
    rows = Ticket.objects.filter(nonce__in=[grant.nonce for grant in grants]).order_by()
    status_of = dict(rows.values_list("nonce", "status"))
    for grant in grants:
        status = status_of.get(grant.nonce)
        if status is None:
            _settle_unwritten(item, gate, grant)
        elif status in LIVE_TICKETS:
            if not grant.written:
                gate.written(grant.person, grant.nonce)
        else:
            gate.end_ticket(grant.person, grant.nonce, sold=status == TicketStatus.SOLD)


def _settle_unwritten(item: SaleItem, gate: Gate, grant: Grant) -> None:
    if time.time() * 1_000 - grant.since_ms < GRANT_SECONDS * 1_000:
        return
    # Its process may only be slow: whoever takes the nonce first has the unit.
    if refuse_late_row(item, person=grant.person, nonce=grant.nonce, place=grant.place):
        gate.end_ticket(grant.person, grant.nonce, sold=False)


def _adopt_unknown(item: SaleItem, gate: Gate, known: set[str]) -> None:
    for ticket in live_tickets(item).exclude(nonce__in=known):
        gate.adopt(ticket.person, ticket.nonce, ticket.place)
