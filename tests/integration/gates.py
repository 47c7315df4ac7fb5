"""Gates for tests: real Redis, each of a sale that nobody else has."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from uuid import uuid4

from shop.flash_sales.gate import Answer, Gate

_numbers = count(1)
HOUR_MS = 3_600_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def facts(**changes: object) -> dict[str, object]:
    """A sale that is open, with one unit per person."""
    return {
        "status": "open",
        "starts_ms": now_ms() - HOUR_MS,
        "ends_ms": now_ms() + HOUR_MS,
        "free": 1,
        "held": 0,
        "sold": 0,
        "limit": 1,
        "rate": 1_000,
        "asleep_ms": 10_000,
        "last_place": 0,
    } | changes


@contextmanager
def gate(**changes: object) -> Iterator[Gate]:
    """Built with ``facts``, dropped afterwards."""
    # Other runs may use the same Redis.
    built = Gate(uuid4().int % 10**12, next(_numbers))
    built.build(facts(**changes), [], {})
    try:
        yield built
    finally:
        built.drop()


def units(gate: Gate) -> tuple[int, int, int]:
    """(free, held, sold)"""
    known = gate.facts()
    return int(known["free"]), int(known["held"]), int(known["sold"])


def let_through(gate: Gate, person: str) -> Answer:
    """A click whose grant is written down, as a web process does it."""
    answer = gate.click(person)
    assert answer.nonce, answer
    assert gate.written(person, answer.nonce)
    return answer
