"""What a measure says: figures with their spread, and whether a bar is met."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over all rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: Iterable[float]) -> "Spread":
        known = sorted(figures)
        return cls(statistics.median(known), known[0], known[-1])


def ratio(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Each round's own ratio, since neighbours on the machine disturb whole rounds."""
    return Spread.of(a / b for a, b in zip(above, below, strict=True))


@dataclass(frozen=True, slots=True)
class Row:
    """One contender's figures in the measure's unit; ``extra`` holds further ones by name."""

    name: str
    version: str
    figure: Spread
    extra: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise. ``at_most`` or else at least ``limit``; judged by the median."""

    promise: str
    figure: Spread
    limit: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        median = self.figure.median
        return median <= self.limit if self.at_most else median >= self.limit


@dataclass(frozen=True, slots=True)
class Measure:
    """``nodes``: lock nodes. ``setting``: what was done, in one sentence."""

    name: str
    setting: str
    nodes: int
    rounds: int
    unit: str
    rows: list[Row]
    bars: list[Bar]
