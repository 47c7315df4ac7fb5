"""What a sale looks like in one second, written down by the keeper for the plots of the console."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Sum

from shop.flash_sales.gate import Gate, GateAway
from shop.flash_sales.models import FlashSale, SaleItem, SaleSample
from shop.flash_sales.waits import oldest_message_seconds, payments_of


@dataclass(frozen=True, slots=True)
class Figures:
    """Units of all items together, by the database. ``line``: people who wait; None when a gate did
    not answer. ``clicks``: how often each answer was given since the gate was first built.
    ``payment_seconds``: in which half of the newest payments came, ``slow_payment_seconds``: 19 of
    20. ``message_seconds``: for which the shop's oldest message waits. None: not known."""

    free: int = 0
    held: int = 0
    sold: int = 0
    line: int | None = None
    clicks: dict[str, int] = field(default_factory=dict)
    payment_seconds: float | None = None
    slow_payment_seconds: float | None = None
    message_seconds: float | None = None


def figures_of(sale_id: int) -> Figures:
    """As they are now. Four queries, and two calls of the gate for each item."""
    items = SaleItem.objects.filter(sale_id=sale_id).order_by()
    sums = items.aggregate(units=Sum("units"), held=Sum("held"), sold=Sum("sold"))
    units, held, sold = (sums[name] or 0 for name in ("units", "held", "sold"))
    line, clicks = _gates(sale_id, list(items.values_list("pk", flat=True)))
    payments = payments_of(sale_id)
    return Figures(
        units - held - sold,
        held,
        sold,
        line,
        clicks,
        round(payments.median_seconds, 2) if payments else None,
        round(payments.slow_seconds, 2) if payments else None,
        round(oldest_message_seconds(), 2),
    )


def take_sample(sale: FlashSale, at: datetime) -> bool:
    """Write the sale's figures down for the second of ``at``; False when that has been done."""
    second = at.replace(microsecond=0)
    if SaleSample.objects.filter(sale=sale, at=second).exists():
        return False
    # Two keepers in one second: one row wins, and both saw the same.
    sample = SaleSample(sale=sale, at=second, figures=asdict(figures_of(sale.pk)))
    SaleSample.objects.bulk_create([sample], ignore_conflicts=True)
    return True


def read_figures(stored: Any) -> Figures:
    """The figures of a sample, whatever an older version left out."""
    known = {name: stored[name] for name in Figures.__dataclass_fields__ if name in stored}
    return Figures(**known)


def _gates(sale_id: int, item_ids: list[int]) -> tuple[int | None, dict[str, int]]:
    line, clicks = 0, Counter[str]()
    try:
        for item_id in item_ids:
            gate = Gate(sale_id, item_id)
            line += gate.line_length()
            clicks.update(gate.counts())
    except GateAway:
        return None, {}
    return line, dict(clicks)
