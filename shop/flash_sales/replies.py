"""What a person is told: a closed set. Every click ends in one of these. Pure."""

import math
from dataclasses import dataclass
from enum import StrEnum

from shop.flash_sales.gate import Answer, Word
from shop.flash_sales.tokens import NO_PLACE, Place, Why


class Said(StrEnum):
    """``NOT_IN_LINE`` answers a poll of somebody who has not clicked, or has had their turn."""

    TICKET = "ticket"
    IN_LINE = "in_line"
    SOLD_OUT = "sold_out"
    LIMIT_REACHED = "limit_reached"
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"
    PAUSED = "paused"
    REFUSED = "refused"
    NOT_IN_LINE = "not_in_line"


PAUSE_POLL_MS = 2_000
_WORDS = {
    Word.SOLD_OUT: Said.SOLD_OUT,
    Word.LIMIT_REACHED: Said.LIMIT_REACHED,
    Word.TOO_LATE: Said.TOO_LATE,
    Word.NOT_IN_LINE: Said.NOT_IN_LINE,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """``nonce``: of the ticket, with TICKET. ``position``: 1 is next. ``units_left`` are free,
    ``held`` are others' who may not pay. ``estimate_seconds``: None when nobody can say; it never
    rises. ``poll_after_ms``: 0 when there is nothing to wait for. ``place``: to be signed and sent
    back. ``reason``: in plain words, with PAUSED and REFUSED; ``why`` with REFUSED."""

    said: Said
    nonce: str = ""
    position: int = 0
    units_left: int = 0
    held: int = 0
    estimate_seconds: int | None = None
    poll_after_ms: int = 0
    starts_in_ms: int = 0
    place: Place = NO_PLACE
    reason: str = ""
    why: Why | None = None


def reply_to(answer: Answer, shown: Place, per_second: int, now_ms: int, paused: str) -> Reply:
    """The gate's answer in the person's words. ``paused``: why, should it be."""
    if answer.word in _WORDS:
        return Reply(_WORDS[answer.word])
    if answer.word in (Word.TICKET, Word.HAS_TICKET):
        return Reply(Said.TICKET, nonce=answer.nonce, place=Place(answer.place))
    if answer.word == Word.IN_LINE:
        return _in_line(answer, shown, per_second, now_ms)
    if answer.word == Word.TOO_EARLY:
        return Reply(Said.TOO_EARLY, starts_in_ms=answer.extra)
    if answer.word == Word.RATE:
        return refused(Why.RATE, "That was very often. Wait ten seconds, then try again.")
    return pause(paused, shown)


def pause(reason: str, shown: Place) -> Reply:
    """The place that was shown stays good."""
    return Reply(Said.PAUSED, reason=reason, poll_after_ms=PAUSE_POLL_MS, place=shown)


def refused(why: Why, message: str) -> Reply:
    return Reply(Said.REFUSED, reason=message, why=why)


def turn_at_ms(answer: Answer, shown: Place, per_second: int, now_ms: int) -> int:
    """When the person's turn comes, and never later than they were told before; 0: nobody can say,
    since it needs units back that others hold, or the time that was told has passed."""
    if answer.before >= answer.free:
        return 0
    turn = now_ms + (answer.before + 1) * 1_000 // max(1, per_second)
    told = shown.turn_at_ms if shown.seq == answer.place else 0
    if told and told <= now_ms:
        return 0
    return min(turn, told) if told else turn


def _in_line(answer: Answer, shown: Place, per_second: int, now_ms: int) -> Reply:
    turn = turn_at_ms(answer, shown, per_second, now_ms)
    told = shown.turn_at_ms if shown.seq == answer.place else 0
    return Reply(
        Said.IN_LINE,
        position=answer.before + 1,
        units_left=answer.free,
        held=answer.held,
        estimate_seconds=math.ceil((turn - now_ms) / 1_000) if turn else None,
        poll_after_ms=answer.extra,
        # What was told once is remembered while nobody can say: it must not rise afterwards.
        place=Place(answer.place, turn or told),
    )
