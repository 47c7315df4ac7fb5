"""Acquire and release of a free key."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    taken = _interleaved((FLOOR, OWN, GUARD, *peers), urls, pace, say)
    bars = [
        Bar("fenced acquire + release / fan-out floor", ratio(taken[OWN], taken[FLOOR]), 1.3),
        *(
            Bar(f"{peer} / ours", ratio(taken[peer], taken[OWN]), 3.0, at_most=False)
            for peer in peers
        ),
    ]
    return _measure("uncontended", urls, pace, taken, bars)


def single(
    urls: Sequence[str], peers: Sequence[str], pace: Pace, say: Callable[[str], None]
) -> Measure:
    """One node: against locks made for one node."""
    taken = _interleaved((FLOOR, OWN, GUARD, *peers), urls[:1], pace, say)
    bars = [
        Bar(f"ours / {peer}", ratio(taken[OWN], taken[peer]), 1.0)
        for peer in peers
        if peer == "redis-py Lock"
    ]
    return _measure("uncontended, one node", urls[:1], pace, taken, bars)


def _interleaved(
    names: Sequence[str], urls: Sequence[str], pace: Pace, say: Callable[[str], None]
) -> dict[str, list[float]]:
    """Each contender's median cycle in µs, round by round."""
    taken: dict[str, list[float]] = {name: [] for name in names}
    with racers(names, lambda _: urls, say) as field:
        for racer in field:
            _run(racer, min(pace.slice_seconds, 0.1))  # connections, scripts, caches
        for number in range(pace.rounds):
            # Another one begins each time, so that nobody always follows the same neighbour.
            first = number % len(field)
            for racer in field[first:] + field[:first]:
                taken[racer.name].append(_run(racer, pace.slice_seconds))
    return taken


def _run(racer: Racer, seconds: float) -> float:
    answer = racer.ask({"do": "cycles", "seconds": seconds}, ANSWER_SECONDS)
    return float(answer["median"]) * 1_000_000


def _measure(
    name: str, urls: Sequence[str], pace: Pace, taken: dict[str, list[float]], bars: list[Bar]
) -> Measure:
    rows = [Row(who, ENTRANTS[who].version, Spread.of(figures)) for who, figures in taken.items()]
    setting = (
        f"One process, free keys in turn, {pace.slice_seconds:g} s per contender and round; "
        "each round counts with its median."
    )
    return Measure(name, setting, len(urls), pace.rounds, "µs for acquire + release", rows, bars)
