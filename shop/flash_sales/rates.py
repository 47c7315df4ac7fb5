"""How often something happened each second, from counters that only rise. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise

from shop.flash_sales.sampling import Figures

Samples = Sequence[tuple[datetime, Figures]]


def per_second(samples: Samples) -> Callable[[str], list[float | None]]:
    """A function from an answer's word to its rate at each sample; None at the first, where the
    gate did not answer, and where it was lost in between."""

    def rates(word: str) -> list[float | None]:
        between = [_rate(word, before, after) for before, after in pairwise(samples)]
        return [None, *between] if samples else []

    return rates


def _rate(
    word: str, before: tuple[datetime, Figures], after: tuple[datetime, Figures]
) -> float | None:
    seconds = (after[0] - before[0]).total_seconds()
    if before[1].line is None or after[1].line is None or seconds <= 0:
        return None
    # A lost gate counts from 0 again.
    rise = after[1].clicks.get(word, 0) - before[1].clicks.get(word, 0)
    return rise / seconds if rise >= 0 else None
