"""A click and a poll: the gate is asked, its grant is written down, the person is answered.

Whoever gets no unit costs one call of the gate, and no SQL. ``sale`` and ``item`` may be old by
some seconds: units, limits and times are the gate's to know.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import structlog
from django.db import InterfaceError, OperationalError

from orders.errors import Busy
from shop.flash_sales import local_answers
from shop.flash_sales.database_line import answer_without_gate
from shop.flash_sales.errors import GrantUsed, LimitReached, NoUnitLeft
from shop.flash_sales.gate import Answer, Gate, GateAway, Word
from shop.flash_sales.models import FlashSale, SaleItem, Ticket
from shop.flash_sales.replies import Reply, Said, pause, refused, reply_to
from shop.flash_sales.states import LIVE_TICKETS, OnLostGate
from shop.flash_sales.tickets import write_ticket
from shop.flash_sales.tokens import NO_PLACE, Place, TokenRefused

log = structlog.get_logger(__name__)

REPAIRING = "The line is being repaired; this takes some seconds. Your place is kept."
_PAUSED = "The sale is paused. Your place is kept; this page goes on by itself."
_TRIES = 2
_NEXT_POLL_MS = 1_000


def answer_click(
    sale: FlashSale,
    item: SaleItem,
    person: str,
    place: Place = NO_PLACE,
    *,
    address: str | None = None,
) -> Reply:
    """The final or next answer to a click; one click more changes nothing.

    ``place``: as shown by ``tokens.read_place``. ``address``: from ``client_of``, for the limit.
    """
    ask = partial(_gate(item).click, person, place=place.seq, address=address or "")
    return _answer(sale, item, person, place, ask, joins=True)


def answer_poll(sale: FlashSale, item: SaleItem, person: str, place: Place = NO_PLACE) -> Reply:
    """As ``answer_click`` for somebody who waits; whoever has not clicked is NOT_IN_LINE."""
    ask = partial(_gate(item).poll, person, place=place.seq)
    return _answer(sale, item, person, place, ask, joins=False)


def refuse(item: SaleItem, error: TokenRefused, *, address: str | None = None) -> Reply:
    """The answer to a false proof, counted and logged with its reason."""
    log.info("entry_refused", item_id=item.pk, reason=error.why, address=address)
    with suppress(GateAway):  # the log line is there in any case
        _gate(item).note_refusal(error.why, "", address or "")
    return refused(error.why, str(error))


def _gate(item: SaleItem) -> Gate:
    return Gate(item.sale_id, item.pk)


def _answer(
    sale: FlashSale,
    item: SaleItem,
    person: str,
    place: Place,
    ask: Callable[[], Answer],
    *,
    joins: bool,
) -> Reply:
    # Whoever shows a place has been in line, and is told by the gate how that ended.
    if not place.seq and local_answers.is_sold_out(item.pk):
        return Reply(Said.SOLD_OUT)
    if local_answers.is_away(item.pk):
        # Not remembered again: a crowd that asks all the time would keep it away for ever.
        return _without_gate(sale, item, person, place, joins=joins)
    try:
        for _ in range(_TRIES):
            answer = ask()
            if answer.word != Word.TICKET or _written(item, person, answer):
                break
        else:
            return _next_in_line(answer)
    except LimitReached:
        return Reply(Said.LIMIT_REACHED)
    except GateAway:
        local_answers.remember_away(item.pk)
        return _without_gate(sale, item, person, place, joins=joins)
    except (Busy, OperationalError, InterfaceError):
        # The grant waits in the gate, and the next poll writes it down.
        return _busy(item, place)
    if answer.word == Word.LOST:
        return _without_gate(sale, item, person, place, joins=joins)
    if answer.word == Word.SOLD_OUT:
        local_answers.remember_sold_out(item.pk)
    now_ms = time.time_ns() // 1_000_000
    paused = sale.pause_reason or _PAUSED
    return reply_to(answer, place, sale.admission_per_second, now_ms, paused)


def _next_in_line(grant: Answer) -> Reply:
    """The gate believes in a unit that the database does not have: somebody else holds it."""
    place = Place(grant.place)
    return Reply(Said.IN_LINE, position=1, held=1, poll_after_ms=_NEXT_POLL_MS, place=place)


def _without_gate(
    sale: FlashSale, item: SaleItem, person: str, place: Place, *, joins: bool
) -> Reply:
    if sale.on_lost_gate != OnLostGate.DATABASE:
        return pause(REPAIRING, place)
    if sale.challenge_work and not joins and not place.seq:
        # Here a poll may end in a unit, and only a click shows that the challenge is solved.
        return Reply(Said.NOT_IN_LINE)
    try:
        return answer_without_gate(item.pk, person, place)
    except (Busy, OperationalError, InterfaceError):
        return _busy(item, place)


def _busy(item: SaleItem, place: Place) -> Reply:
    log.warning("ticket_not_written", item_id=item.pk, exc_info=True)
    busy = pause("The shop is very busy. Your place is kept.", place)
    return replace(busy, poll_after_ms=_NEXT_POLL_MS)


def _written(item: SaleItem, person: str, grant: Answer) -> bool:
    """The grant is a ticket; False when it became none, and the person must ask again.

    Raises LimitReached when the database knows of more units of this person than the gate did.
    """
    gate = _gate(item)
    try:
        write_ticket(item, person=person, nonce=grant.nonce, place=grant.place)
    except NoUnitLeft:
        # The gate was ahead of the database. Nobody loses their place for it.
        gate.put_back(person, grant.nonce)
        return False
    except GrantUsed:
        # The keeper took us for dead, or the person has a ticket that this gate was built without.
        gate.end_ticket(person, grant.nonce, sold=False)
        _adopt_live(gate, item, person)
        return False
    except LimitReached:
        gate.end_ticket(person, grant.nonce, sold=False)
        raise
    if not gate.written(person, grant.nonce):
        # The gate was built again between its grant and our row.
        gate.adopt(person, grant.nonce, grant.place)
    return True


def _adopt_live(gate: Gate, item: SaleItem, person: str) -> None:
    live = Ticket.objects.filter(item=item, person=person, status__in=LIVE_TICKETS).first()
    if live is not None:
        gate.adopt(person, live.nonce, live.place)
