"""The benchmark runs and says what it measured; what it measured is not judged here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
# Those whose packages would have to be installed first.
ABSENT = ("pottery", "redlock-ng", "redlock-ng async", "redlock-py", "python-redis-lock")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("bench") / "locks.json"
    without = [word for name in ABSENT for word in ("--without", name)]
    only = ["--only", "quorum", "--only", "single"]
    command = [sys.executable, "-m", "ops", "bench", "locks", "--quick", "--json", str(path)]
    done = subprocess.run(
        [*command, *only, *without],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fan-out floor" in done.stdout
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_every_contender_has_a_figure_with_its_spread(report: dict[str, Any]) -> None:
    rows = {
        (measure["nodes"], row["name"]): row["figure"]
        for measure in report["measures"]
        for row in measure["rows"]
    }

    assert set(rows) == {
        *((5, name) for name in ("fan-out floor", "soldonce", "soldonce guard")),
        *((1, name) for name in ("fan-out floor", "soldonce", "soldonce guard", "redis-py Lock")),
    }
    assert all(0 < row["low"] <= row["median"] <= row["high"] for row in rows.values())


def test_every_bar_says_whether_it_is_met(report: dict[str, Any]) -> None:
    bars = [bar for measure in report["measures"] for bar in measure["bars"]]

    assert [bar["promise"] for bar in bars] == [
        "fenced acquire + release / fan-out floor",
        "ours / redis-py Lock",
    ]
    assert all(bar["met"] == (bar["figure"]["median"] <= bar["limit"]) for bar in bars)


def test_the_report_says_how_and_where_it_was_measured(report: dict[str, Any]) -> None:
    assert report["quick"] is True
    assert report["machine"]["cores"] >= 1
    assert [measure["rounds"] for measure in report["measures"]] == [3, 3]
    assert all(measure["unit"] and measure["setting"] for measure in report["measures"])
