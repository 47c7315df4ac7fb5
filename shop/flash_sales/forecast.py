"""When the last unit will be sold. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shop.flash_sales.sampling import Figures

PACE_SECONDS = 60.0
_FEWEST_SECONDS = 3.0


def sold_out_at(samples: Sequence[tuple[datetime, Figures]]) -> datetime | None:
    """At the pace of the newest PACE_SECONDS; None when nothing was sold in them, when they are too
    few, or when nothing is left to sell."""
    if not samples:
        return None
    now, last = samples[-1]
    left = last.free + last.held
    since = now - timedelta(seconds=PACE_SECONDS)
    at, first = next(sample for sample in samples if sample[0] >= since)
    seconds, sold = (now - at).total_seconds(), last.sold - first.sold
    if left <= 0 or sold <= 0 or seconds < _FEWEST_SECONDS:
        return None
    return now + timedelta(seconds=left * seconds / sold)
