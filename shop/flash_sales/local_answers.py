"""What this process heard from the gate a moment ago, so that a crowd need not ask it again.

Kept for milliseconds: when units come back, the next click after that asks the gate. Nobody who has
a place is concerned: they are told by the gate itself.
"""

import time

SOLD_OUT_SECONDS = 0.05
AWAY_SECONDS = 0.25

# A dict's single reads and writes are atomic among threads; a lost one costs one more call.
_sold_out_until: dict[int, float] = {}
_away_until: dict[int, float] = {}


def is_sold_out(item_id: int) -> bool:
    return time.monotonic() < _sold_out_until.get(item_id, 0.0)


def remember_sold_out(item_id: int) -> None:
    _sold_out_until[item_id] = time.monotonic() + SOLD_OUT_SECONDS


def is_away(item_id: int) -> bool:
    """Its Redis did not answer: waiting for that again would keep a thread from everybody else."""
    return time.monotonic() < _away_until.get(item_id, 0.0)


def remember_away(item_id: int) -> None:
    _away_until[item_id] = time.monotonic() + AWAY_SECONDS
