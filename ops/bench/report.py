"""A table for people and JSON for programs."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.bench.figures import Bar, Measure, Spread


def as_json(measures: Iterable[Measure], *, quick: bool) -> dict[str, Any]:
    """Everything that was measured, and where."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.system(),
        },
        "quick": quick,
        "measures": [
            {
                **asdict(measure),
                "bars": [{**asdict(bar), "met": bar.met} for bar in measure.bars],
            }
            for measure in measures
        ],
    }


def write(report: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def table(measure: Measure) -> str:
    """One measure on a terminal."""
    extras = list(dict.fromkeys(name for row in measure.rows for name in row.extra))
    rows = [["", "median", "min - max", *extras]]
    rows += [
        [
            row.name,
            _number(row.figure.median),
            _range(row.figure),
            *(_number(row.extra[name]) if name in row.extra else "" for name in extras),
        ]
        for row in measure.rows
    ]
    lines = [
        f"{measure.name}: N = {measure.nodes}, {measure.rounds} rounds, {measure.unit}",
        measure.setting,
        *_aligned(rows),
        *(_verdict(bar) for bar in measure.bars),
    ]
    return "\n".join(lines)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _verdict(bar: Bar) -> str:
    sign = "<=" if bar.at_most else ">="
    word = "met   " if bar.met else "MISSED"
    return (
        f"  {word}  {bar.promise}: {_number(bar.figure.median)} ({_range(bar.figure)}), "
        f"bar {sign} {bar.limit:g}"
    )


def _range(spread: Spread) -> str:
    return f"{_number(spread.low)} - {_number(spread.high)}"


def _number(figure: float) -> str:
    if figure == 0:
        return "0"
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"
