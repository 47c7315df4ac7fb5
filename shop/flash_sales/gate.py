"""The gate of one item: one Redis script decides who goes on to checkout, and who waits.

It keeps the crowd off the database and decides nothing about units: what it grants is written down
as a ticket (``shop.flash_sales.tickets``), where the database decides again. It may be lost at any
moment; ``shop.flash_sales.rebuilding`` builds it from the database.
"""

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import redis
from django.conf import settings

from shop.flash_sales import wire


class Word(StrEnum):
    """The answers of the gate. ``TICKET``: granted, and not written down yet."""

    TICKET = "ticket"
    HAS_TICKET = "has_ticket"
    IN_LINE = "in_line"
    SOLD_OUT = "sold_out"
    LIMIT_REACHED = "limit_reached"
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"
    PAUSED = "paused"
    NOT_IN_LINE = "not_in_line"
    RATE = "rate"
    LOST = "lost"


class GateAway(Exception):
    """The gate's Redis does not answer in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``before``: people in line before this one. ``free`` and ``held``: units. ``extra``: with
    TOO_EARLY milliseconds until the start, IN_LINE milliseconds until this person should ask again,
    with a ticket when it was granted (ms)."""

    word: Word
    nonce: str = ""
    place: int = 0
    before: int = 0
    free: int = 0
    held: int = 0
    extra: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """A ticket as the gate knows it; ``since_ms`` by its clock."""

    person: str
    nonce: str
    place: int
    since_ms: int
    written: bool

    @classmethod
    def read(cls, person: str, text: str) -> "Grant":
        nonce, place, since, written = text.rsplit(":", 3)
        return cls(person, nonce, int(place), int(since), written == "1")

    def __str__(self) -> str:
        return f"{self.nonce}:{self.place}:{self.since_ms}:{int(self.written)}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """``person`` as far as known. ``address`` is empty when it cannot be told."""

    reason: str
    person: str
    address: str
    at_ms: int


class Gate:
    """Each method is one round trip. Every one raises GateAway."""

    def __init__(self, sale_id: int, item_id: int) -> None:
        self._root = f"{settings.GATE_KEY_PREFIX}:{{sale:{sale_id}}}"
        self.item_id = item_id
        item = f"{self._root}:{item_id}"
        self.counts_key = f"{item}:counts"
        self.tickets_key = f"{item}:tickets"
        self.state_key = f"{item}:state"
        self.line_key = f"{item}:line"
        self.seen_key = f"{item}:seen"
        self.refusals_key = f"{item}:refusals"
        self._keys = [
            *(self.state_key, self.line_key, self.seen_key, self.tickets_key),
            *(f"{self._root}:units", self.counts_key, f"{item}:parked", f"{item}:spent"),
            *(self.refusals_key, f"{item}:units"),
        ]

    def click(self, person: str, *, place: int = 0, address: str = "") -> Answer:
        """``place``: one that this person was given and has shown signed; 0 for none. ``address``:
        whose clicks are counted together; empty for nobody's."""
        return self._ask(person, joins=True, place=place, address=address)

    def poll(self, person: str, *, place: int = 0) -> Answer:
        """As ``click`` for somebody who has clicked before; others are NOT_IN_LINE."""
        return self._ask(person, joins=False, place=place, address="")

    def written(self, person: str, nonce: str) -> bool:
        """The grant's row is committed."""
        return bool(self._run("written", person, nonce))

    def end_ticket(self, person: str, nonce: str, *, sold: bool) -> bool:
        """The ticket's unit is sold, or free again: the next in line has it when they ask. False
        when the gate does not know the ticket."""
        became = "sold" if sold else "free"
        return bool(self._run("end_ticket", person, nonce, became))

    def put_back(self, person: str, nonce: str) -> bool:
        """The database had no unit for this grant: its person waits again, at the same place."""
        return bool(self._run("end_ticket", person, nonce, "refused"))

    def adopt(self, person: str, nonce: str, place: int) -> bool:
        """Learn of a live ticket that was written down while the gate was lost or built again;
        False when there is no gate, or it knows a ticket of this person."""
        return bool(self._run("adopt", person, nonce, place))

    def carry(self, visitor: str, account: str, *, place: int = 0) -> int | None:
        """The visitor's place becomes the account's, the better one if both have one, and leads
        the visitor to nothing any more; the account's place afterwards, 0 for none. None when
        nothing was changed: there is no gate, or the visitor has a ticket or units.

        ``place``: one that the visitor was given and has shown signed; 0 for none."""
        word, seq = self._run("carry", visitor, account, place)
        return int(seq) if word == "carried" else None

    def note_refusal(self, reason: str, person: str, address: str) -> None:
        """Count and log somebody who is refused without asking the gate."""
        self._run("refused", reason, person, address)

    def build(
        self,
        facts: Mapping[str, object],
        grants: Iterable[Grant],
        used: Mapping[str, int],
        spent: Mapping[str, int] | None = None,
    ) -> None:
        """Put this in place of whatever is there; only who waits is kept, and grants that are not
        written down yet: those are taken from the free units of ``facts``.

        ``used``: units of this item that each person has, held and sold.
        ``spent``: the highest place of each person that led to a ticket, live or ended: nobody
        comes back to the head of the line with it.
        """
        tickets = [part for grant in grants for part in (grant.person, str(grant))]
        pairs = [str(part) for pair in facts.items() for part in pair]
        units = [str(part) for pair in used.items() for part in pair]
        turns = [str(part) for pair in (spent or {}).items() for part in pair]
        self._run(
            "build",
            *(len(pairs) // 2, *pairs),
            *(len(tickets) // 2, *tickets),
            *(len(units) // 2, *units),
            *(len(turns) // 2, *turns),
        )

    def change(self, **facts: object) -> bool:
        """Change facts; ``add_units`` adds to what is free. False when there is no gate."""
        pairs = [str(part) for pair in facts.items() for part in pair]
        return bool(self._run("change", *pairs))

    def facts(self) -> dict[str, str]:
        """Empty when the gate was lost."""
        found: dict[str, str] = self._call(lambda client: client.hgetall(self.state_key))
        return found

    def grants(self) -> list[Grant]:
        found = self._call(lambda client: client.hgetall(self.tickets_key))
        return [Grant.read(person, text) for person, text in found.items()]

    def counts(self) -> dict[str, int]:
        """How often each answer was given to a click, since the gate was first built."""
        found = self._call(lambda client: client.hgetall(self.counts_key))
        return {word: int(number) for word, number in found.items()}

    def refusals(self, newest: int = 100) -> list[Refusal]:
        """Who was refused for asking too often or with a false proof, the newest first."""
        found = self._call(lambda client: client.lrange(self.refusals_key, 0, newest - 1))
        return [Refusal(*json.loads(text)) for text in found]

    def line_length(self) -> int:
        return int(self._call(lambda client: client.zcard(self.line_key)))

    def drop(self) -> None:
        """Forget everything about the item; its sale is over."""
        self._call(lambda client: client.delete(*self._keys))

    def _ask(self, person: str, *, joins: bool, place: int, address: str) -> Answer:
        limits = settings.GATE_ASKS_PER_PERSON, settings.GATE_CLICKS_PER_ADDRESS if address else 0
        rates = f"{self._root}:rate:{person}", f"{self._root}:rate:from:{address}"
        jitter = secrets.randbelow(1_000)
        values = (person, _salt(), int(joins), place, jitter, address, *limits)
        try:
            # Asking twice is asking once, so this is the one that may be sent again.
            word, *facts = wire.run(wire.script("ask"), (*self._keys, *rates), values)
        except redis.RedisError as error:
            raise _away(error) from error
        if not facts:
            return Answer(Word(word))
        nonce, *numbers = facts
        return Answer(Word(word), nonce, *(int(float(number)) for number in numbers))

    def _run(self, name: str, *arguments: object) -> Any:
        text = wire.script(name).text
        values = [str(argument) for argument in arguments]
        return self._call(lambda client: client.register_script(text)(self._keys, values))

    def _call(self, act: Any) -> Any:
        try:
            return act(wire.client())
        except redis.RedisError as error:
            raise _away(error) from error


def _away(error: redis.RedisError) -> GateAway:
    return GateAway(f"The gate's Redis does not answer ({type(error).__name__}).")


def _salt() -> str:
    return secrets.token_hex(12)
