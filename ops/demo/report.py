"""What the demo says at the end: a table for people, one JSON object for programs."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ops.demo.shopper import BROKEN, CANCELLED, DECLINED, OUT_OF_STOCK, PAID, UNFINISHED, Visit

ENDINGS = (PAID, CANCELLED, DECLINED, OUT_OF_STOCK, UNFINISHED, BROKEN)


@dataclass(frozen=True, slots=True)
class Audit:
    """What ``manage.py audit --json`` answered."""

    ok: bool
    rules: list[dict[str, Any]]
    counts: dict[str, int]

    @classmethod
    def read(cls, text: str) -> "Audit":
        answer = json.loads(text)
        return cls(answer["ok"], answer["rules"], answer["counts"])

    def breaches(self, kind: str) -> int:
        return sum(len(rule["breaches"]) for rule in self.rules if rule["kind"] == kind)


def table(visits: list[Visit]) -> str:
    """A line for each kind of shopper, a column for each ending."""
    kinds = list(dict.fromkeys(visit.plan.kind for visit in visits))
    rows = [["what the shopper did", "shoppers", "orders", *ENDINGS]]
    for kind in kinds:
        of_kind = [visit for visit in visits if visit.plan.kind == kind]
        endings = Counter(visit.ending for visit in of_kind)
        orders = sum(len(visit.order_urls) for visit in of_kind)
        cells = [str(endings[ending] or "·") for ending in ENDINGS]
        rows.append([kind, str(len(of_kind)), str(orders), *cells])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *sorted(lines[1:])])


def summary(visits: list[Visit], audit: Audit, seconds: float) -> dict[str, int | float]:
    """The last line. ``lost`` also counts orders that a shopper was shown and that never ended."""
    urls = set().union(*(visit.order_urls for visit in visits)) if visits else set()
    unheard = sum(visit.ending in (UNFINISHED, BROKEN) for visit in visits)
    doubled = sum(max(0, len(visit.order_urls) - 1) for visit in visits)
    missing = max(0, len(urls) - audit.counts["orders"])
    return {
        "orders": audit.counts["orders"],
        "paid": audit.counts["paid"],
        "cancelled": audit.counts["cancelled"],
        "declined": audit.counts["payments_declined"],
        "out_of_stock": sum(visit.ending == OUT_OF_STOCK for visit in visits),
        "notified": audit.counts["confirmed"],
        "captures_at_gateway": audit.counts["captures_at_gateway"],
        "duplicate_submits": sum(visit.repeats for visit in visits),
        "oversold": audit.breaches("oversold"),
        "double_charged": audit.breaches("double_charged") + doubled,
        "lost": audit.breaches("lost") + unheard + missing,
        "seconds": round(seconds, 1),
    }


def holds(result: dict[str, int | float], audit: Audit) -> bool:
    """Nothing oversold, charged twice or lost, and no order still waits for its hold to end."""
    broken = result["oversold"] or result["double_charged"] or result["lost"]
    return not (broken or audit.counts["payment_failed"])
