"""Lines over time as the numbers of a drawing, for ``flash_sales/plot.svg``. Pure.

Drawn for a phone: the letters are as wide as on the page around them at 360 pixels.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH, HEIGHT = 360, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 10, 24
# Told apart by people who do not see red or green, on white and on black.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8b6fd0", "#7a7a7a")


@dataclass(frozen=True, slots=True)
class Series:
    """``values``: one for each time; None where nobody could say, which leaves a gap."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """``paths``: points of each piece between two gaps. ``newest``: the last value, in words."""

    name: str
    colour: str
    paths: tuple[str, ...]
    newest: str


@dataclass(frozen=True, slots=True)
class Tick:
    """``at``: of its line, and of its words (``words_at``), in units of the drawing."""

    at: str
    words_at: str
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    title: str
    lines: tuple[Line, ...]
    heights: tuple[Tick, ...]
    first: str
    last: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM

    @property
    def in_words(self) -> str:
        """For those who do not see it."""
        values = ", ".join(f"{line.name} {line.newest}" for line in self.lines)
        return f"{self.title} from {self.first} to {self.last}; at last: {values or 'nothing yet'}"


def draw(title: str, times: Sequence[datetime], series: Sequence[Series]) -> Plot:
    """``times`` rise, in the time zone in which they are shown. Without any the plot is empty."""
    known = [value for one in series for value in one.values if value is not None]
    top = nice_top(max(known, default=0.0))
    lines = tuple(
        Line(
            one.name,
            COLOURS[index % len(COLOURS)],
            tuple(_paths(times, one.values, top)),
            _newest(one.values),
        )
        for index, one in enumerate(series)
    )
    heights = tuple(_tick(value, top) for value in (0.0, top / 2, top))
    first, last = (f"{times[index]:%H:%M:%S}" if times else "–" for index in (0, -1))
    return Plot(title, lines, heights, first, last)


def nice_top(most: float) -> float:
    """The end of an axis: 2, 4 or 10 times a power of ten, whose half is a plain number too."""
    if most <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 4, 10) if most <= step * power)


def number(value: float) -> str:
    """``1500`` → ``1,500``; ``0.25`` → ``0.3``."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _paths(times: Sequence[datetime], values: Sequence[float | None], top: float) -> Iterator[str]:
    piece: list[str] = []
    for at, value in zip(times, values, strict=True):
        if value is not None:
            piece.append(f"{_across(at, times):.1f},{_up(value, top):.1f}")
        elif piece:
            yield _path(piece)
            piece = []
    if piece:
        yield _path(piece)


def _path(points: list[str]) -> str:
    # A line of one point is not drawn: it gets a second one beside it.
    if len(points) == 1:
        across, up = points[0].split(",")
        points = [points[0], f"{float(across) + 1:.1f},{up}"]
    return " ".join(points)


def _across(at: datetime, times: Sequence[datetime]) -> float:
    whole = (times[-1] - times[0]).total_seconds() or 1.0
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * (at - times[0]).total_seconds() / whole


def _up(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * min(value, top) / top


def _tick(value: float, top: float) -> Tick:
    at = _up(value, top)
    return Tick(f"{at:.1f}", f"{at + 4:.1f}", number(value))


def _newest(values: Sequence[float | None]) -> str:
    newest = values[-1] if values else None
    return "–" if newest is None else number(newest)
