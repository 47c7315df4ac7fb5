"""How long a unit that came back lay there while people were in line. Pure; seconds of the epoch.

Which unit is whose cannot be told, and does not matter: the first that came back is the first that
was given again, after those that had never been given.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Any

MOST_SECONDS = 3.0
"""The promise: so long after its time at the latest a unit is in another's hands."""


@dataclass(frozen=True, slots=True)
class Look:
    """A second of the sale. ``line``: people who wait; None when the gate did not answer."""

    at: float
    free: int
    line: int | None


@dataclass(frozen=True, slots=True)
class Handover:
    """Seconds from the time of a unit to its next ticket, of units that came back while people were
    in line. ``idle_seconds``: the longest time in which units were free, people were in line, and
    neither all of these units were given nor half as many people let through as may be."""

    count: int = 0
    p50_seconds: float = 0.0
    p99_seconds: float = 0.0
    longest_seconds: float = 0.0
    idle_seconds: float = 0.0


NOT_MEASURED = Handover()


def measure(
    units: int,
    given: Sequence[float],
    due: Sequence[float],
    looks: Sequence[Look],
    rate: int,
) -> Handover:
    """``given``: when tickets were written; ``due``: when units should have come back; ``looks`` in
    the order of time; ``rate``: people let through each second."""
    waits = sorted(_waits(units, sorted(given), sorted(due), looks))
    idle = _idle(sorted(given), looks, rate)
    if not waits:
        return Handover(idle_seconds=idle)
    last = len(waits) - 1
    return Handover(len(waits), waits[last // 2], waits[round(last * 0.99)], waits[-1], idle)


def due_at(ticket: Mapping[str, Any]) -> float | None:
    """When the ticket's unit should have come back; None for one that did not, or never held any.

    ``ticket``: status, held_until, ended_at, declined_at, cancelled_at; None what there was not.
    """
    if ticket["status"] == "returned":
        # A grant that was never written down has a row too, which ended as it began.
        if ticket["held_until"] == ticket["ended_at"]:
            return None
        return float(min(ticket["held_until"], ticket["ended_at"]))
    if ticket["status"] != "expired":
        return None
    if ticket["cancelled_at"]:
        return float(ticket["cancelled_at"])
    # A card may fail after the time is over; nobody could have had the unit before.
    return float(max(ticket["held_until"], ticket["declined_at"] or 0.0))


def _waits(
    units: int, given: Sequence[float], due: Sequence[float], looks: Sequence[Look]
) -> Iterator[float]:
    times = [look.at for look in looks]
    again = given[units:]
    for came_back, written in zip_longest(due, again[: len(due)]):
        seen = looks[max(0, bisect_right(times, came_back) - 1)] if looks else None
        if seen is None or not seen.line:
            continue
        if written is not None:
            yield max(0.0, written - came_back)
        elif (until := _waited_until(looks, came_back)) is not None:
            yield until - came_back


def _waited_until(looks: Sequence[Look], since: float) -> float | None:
    """Until when somebody was seen in line without a break, while units were free."""
    until = None
    for look in looks:
        if look.at < since:
            continue
        if not look.line or look.free <= 0:
            break
        until = look.at
    return until


def _idle(given: Sequence[float], looks: Sequence[Look], rate: int) -> float:
    longest = idle = 0.0
    for before, after in pairwise(looks):
        seconds = after.at - before.at
        written = bisect_right(given, after.at) - bisect_right(given, before.at)
        enough = min(before.free, max(1, int(rate * seconds / 2)))
        waiting = bool(before.line and after.line and before.free > 0 and after.free > 0)
        idle = idle + seconds if waiting and written < enough else 0.0
        longest = max(longest, idle)
    return longest
