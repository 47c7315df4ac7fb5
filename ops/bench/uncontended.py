"""Acquire and release of a free key."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ops.bench.entrants import ENTRANTS, FLOOR, GUARD, OWN
from ops.bench.figures import Bar, Measure, Row, Spread, ratio
from ops.bench.track import ANSWER_SECONDS, Racer, racers

QUORUM_PEERS = ("pottery", "redlock-ng", "redlock-ng async", "redlock-py")
SINGLE_PEERS = ("redis-py Lock", "python-redis-lock")


@dataclass(frozen=True, slots=True)
class Pace:
    rounds: int
    slice_seconds: float
    """How long each contender runs in each round."""


def quorum(
    urls: Sequence[str], peers: Sequence[str], pace: Pace, say: Callable[[str], None]
) -> Measure:
    """All nodes: against the floor and the packages that speak Redlock."""
    runs = _interleaved((FLOOR, OWN, GUARD, *peers), urls, pace, say)
    taken = runs.taken
    bars = [
        Bar("fenced acquire + release / fan-out floor", ratio(taken[OWN], taken[FLOOR]), 1.3),
        *(
            Bar(f"{peer} / ours", ratio(taken[peer], taken[OWN]), 3.0, at_most=False)
            for peer in peers
        ),
    ]
    return _measure("uncontended", urls, pace, runs, bars)


def single(
    urls: Sequence[str], peers: Sequence[str], pace: Pace, say: Callable[[str], None]
) -> Measure:
    """One node: against locks made for one node."""
    runs = _interleaved((FLOOR, OWN, GUARD, *peers), urls[:1], pace, say)
    taken = runs.taken
    bars = [
        Bar(f"ours / {peer}", ratio(taken[OWN], taken[peer]), 1.0)
        for peer in peers
        if peer == "redis-py Lock"
    ]
    return _measure("uncontended, one node", urls[:1], pace, runs, bars)


@dataclass(frozen=True, slots=True)
class _Runs:
    """By contender: its median cycle in µs, round by round, and what it said about itself."""

    taken: dict[str, list[float]]
    facts: dict[str, dict[str, float]]


def _interleaved(
    names: Sequence[str], urls: Sequence[str], pace: Pace, say: Callable[[str], None]
) -> _Runs:
    runs = _Runs({name: [] for name in names}, {})
    with racers(names, lambda _: urls, say) as field:
        for racer in field:
            # Connections, scripts, caches.
            runs.facts[racer.name] = _run(racer, min(pace.slice_seconds, 0.1))["facts"]
        for number in range(pace.rounds):
            # Another one begins each time, so that nobody always follows the same neighbour.
            first = number % len(field)
            for racer in field[first:] + field[:first]:
                seconds = float(_run(racer, pace.slice_seconds)["median"])
                runs.taken[racer.name].append(seconds * 1_000_000)
    return runs


def _run(racer: Racer, seconds: float) -> dict[str, Any]:
    return racer.ask({"do": "cycles", "seconds": seconds}, ANSWER_SECONDS)


def _measure(name: str, urls: Sequence[str], pace: Pace, runs: _Runs, bars: list[Bar]) -> Measure:
    rows = [
        Row(who, ENTRANTS[who].version, Spread.of(figures), runs.facts[who])
        for who, figures in runs.taken.items()
    ]
    setting = (
        f"One process, free keys in turn, {pace.slice_seconds:g} s per contender and round; "
        "each round counts with its median."
    )
    return Measure(name, setting, len(urls), pace.rounds, "µs for acquire + release", rows, bars)
