"""A sale without its gate, when it says so: the database alone decides, slower, and without a line.

Whoever asks while a unit is free has it. Units that are held may come back: those people ask again.
"""

import secrets

from django.utils import timezone

from shop.flash_sales.errors import GrantUsed, LimitReached, NoUnitLeft
from shop.flash_sales.models import SaleItem, Ticket
from shop.flash_sales.replies import Reply, Said, pause
from shop.flash_sales.states import LIVE_TICKETS, Phase, SaleStatus, TicketStatus, phase_at
from shop.flash_sales.tickets import write_ticket
from shop.flash_sales.tokens import Place

ALL_HELD = "All units are held at the moment. This page asks again: some may come back."
_PAUSED = "The sale is paused. This page goes on by itself."
_COUNTED = (*LIVE_TICKETS, TicketStatus.SOLD)


def answer_without_gate(item_id: int, person: str, place: Place) -> Reply:
    """As the gate, in the same order: ticket, window, paused, sold out, limit, units.

    Raises Busy.
    """
    item = SaleItem.objects.select_related("sale").get(pk=item_id)
    live = Ticket.objects.filter(item=item, person=person, status__in=LIVE_TICKETS).first()
    if live is not None:
        return Reply(Said.TICKET, nonce=live.nonce, place=Place(live.place))
    return _no_sale_now(item, place) or _units(item, person, place)


def _no_sale_now(item: SaleItem, place: Place) -> Reply | None:
    sale, now = item.sale, timezone.now()
    phase = phase_at(now, sale.starts_at, sale.ends_at)
    if phase == Phase.BEFORE:
        left = sale.starts_at - now
        return Reply(Said.TOO_EARLY, starts_in_ms=int(left.total_seconds() * 1_000))
    if phase == Phase.OVER or sale.status == SaleStatus.ENDED:
        return Reply(Said.TOO_LATE)
    if sale.status != SaleStatus.ANNOUNCED:
        return pause(sale.pause_reason or _PAUSED, place)
    return None


def _units(item: SaleItem, person: str, place: Place) -> Reply:
    if item.sold >= item.units:
        return Reply(Said.SOLD_OUT)
    theirs = Ticket.objects.filter(item__sale=item.sale_id, person=person, status__in=_COUNTED)
    if theirs.count() >= item.sale.limit_per_person:
        return Reply(Said.LIMIT_REACHED)
    try:
        nonce = f"db-{secrets.token_hex(12)}"
        ticket = write_ticket(item, person=person, nonce=nonce, place=place.seq)
    except LimitReached:
        return Reply(Said.LIMIT_REACHED)
    except NoUnitLeft:
        return pause(ALL_HELD, place)
    except GrantUsed:
        # The other click of a double one was faster; its ticket is theirs.
        return pause(ALL_HELD, place)
    return Reply(Said.TICKET, nonce=ticket.nonce, place=Place(ticket.place))
