"""Many processes on one key: who waits how long, and is anybody inside together?"""

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from ops.bench.entrants import ENTRANTS, GUARD, Entrant
from ops.bench.figures import Bar, Measure, Row, Spread
from ops.bench.track import Racer, racers

PEERS = (
    "PostgreSQL advisory",
    "python-redis-lock",
    "redis-py Lock",
    "pottery",
    "redlock-ng",
    "redlock-py",
)
_ANSWER_MARGIN_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """``limit_seconds``: a contender that is not through by then is cut off, and its total is what
    all sections would have taken at its own rate."""

    rounds: int
    processes: int = 8
    sections: int = 200
    hold_seconds: float = 0.0005
    limit_seconds: float = 15.0

    @property
    def all_sections(self) -> int:
        return self.processes * self.sections


@dataclass(frozen=True, slots=True)
class Heat:
    """One contender in one round. Durations in seconds."""

    waits: list[float]
    total: float
    overlaps: int
    longest_run: int
    """Most sections in a row by one process."""
    refusals: int
    """How often a contender gave up or found no quorum, and had to be asked again."""
    cut_off: bool


def measure(
    urls: Sequence[str],
    database_url: str,
    peers: Sequence[str],
    crowd: Crowd,
    say: Callable[[str], None],
) -> Measure:
    """The contest; ``database_url`` is for the advisory lock."""

    def urls_of(entrant: Entrant) -> Sequence[str]:
        return [database_url] if entrant.database else urls

    heats: dict[str, list[Heat]] = {name: [] for name in (GUARD, *peers)}
    with (
        tempfile.TemporaryDirectory(prefix="soldonce-bench-") as folder,
        racers(heats, urls_of, say) as field,
    ):
        for number in range(crowd.rounds):
            first = number % len(field)
            for racer in field[first:] + field[:first]:
                witness = Path(folder) / f"{number}-{len(heats[racer.name])}"
                heats[racer.name].append(_heat(racer, crowd, witness))
    return Measure(
        "contention",
        f"{crowd.processes} processes x {crowd.sections} sections of "
        f"{crowd.hold_seconds * 1000:g} ms on one key; cut off after {crowd.limit_seconds:g} s. "
        "redis-py Lock and python-redis-lock use one node, the advisory lock one PostgreSQL.",
        len(urls),
        crowd.rounds,
        "s for all sections (waits in s)",
        [_row(name, runs) for name, runs in heats.items()],
        _bars(heats),
    )


def _heat(racer: Racer, crowd: Crowd, witness: Path) -> Heat:
    answer = racer.ask(
        {
            "do": "contend",
            "key": f"bench:contended:{witness.name}",
            "processes": crowd.processes,
            "sections": crowd.sections,
            "hold_seconds": crowd.hold_seconds,
            "limit_seconds": crowd.limit_seconds,
            "witness": f"{witness}-{racer.name.replace(' ', '-')}",
        },
        seconds=crowd.limit_seconds * 2 + _ANSWER_MARGIN_SECONDS,
    )
    return read_heat(answer["processes"], crowd.all_sections)


def read_heat(processes: list[dict[str, Any]], wanted: int) -> Heat:
    """What the processes told, as one: an overlap is one that a witness file or the times show."""
    sections = sorted(
        (inside, left, wait, number)
        for number, told in enumerate(processes)
        for wait, inside, left in told["sections"]
    )
    by_times = sum(after[0] < before[1] for before, after in pairwise(sections))
    by_witness = sum(told["overlaps"] for told in processes)
    elapsed = max(t["ended_at"] for t in processes) - min(t["began_at"] for t in processes)
    done = max(1, len(sections))
    return Heat(
        waits=[section[2] for section in sections]
        + [t["pending"] for t in processes if t["pending"] > 0],
        total=elapsed * wanted / done,
        overlaps=max(by_times, by_witness),
        longest_run=max((len(list(g)) for _, g in groupby(s[3] for s in sections)), default=0),
        refusals=sum(told["refusals"] for told in processes),
        cut_off=len(sections) < wanted,
    )


def _row(name: str, heats: list[Heat]) -> Row:
    waits = sorted(wait for heat in heats for wait in heat.waits)
    return Row(
        name,
        ENTRANTS[name].version,
        Spread.of(heat.total for heat in heats),
        {
            "wait p50": _quantile(waits, 0.5),
            "wait p99": _quantile(waits, 0.99),
            "worst wait": waits[-1] if waits else 0.0,
            "overlaps": sum(heat.overlaps for heat in heats),
            "longest run": max(heat.longest_run for heat in heats),
            "gave up": sum(heat.refusals for heat in heats),
            "rounds cut off": sum(heat.cut_off for heat in heats),
        },
    )


def _quantile(known: Sequence[float], share: float) -> float:
    return known[min(len(known) - 1, int(len(known) * share))] if known else 0.0


def _bars(heats: dict[str, list[Heat]]) -> list[Bar]:
    ours = heats[GUARD]
    worst = [max(heat.waits, default=0.0) for heat in ours]
    bars = [
        # The worst of all rounds is judged: a middling worst case would be no promise.
        Bar("worst wait of all rounds, s", Spread(max(worst), min(worst), max(worst)), 0.3),
        Bar("overlaps", Spread.of([sum(heat.overlaps for heat in ours)]), 0),
    ]
    totals = {
        name: statistics.median(heat.total for heat in runs)
        for name, runs in heats.items()
        if name != GUARD
    }
    if totals:
        best = min(totals, key=lambda name: totals[name])
        pairs = zip(ours, heats[best], strict=True)
        figure = Spread.of(mine.total / theirs.total for mine, theirs in pairs)
        bars.append(Bar(f"total / best peer ({best})", figure, 1.2))
    return bars
