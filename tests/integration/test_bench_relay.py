"""The benchmark runs and says what it measured; what it measured is not judged here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("bench") / "relay.json"
    done = subprocess.run(
        [sys.executable, "-m", "ops", "bench", "relay", "--quick", "--json", str(path)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "one by one, confirmed" in done.stdout
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_each_measure_has_its_figures_and_bars(report: dict[str, Any]) -> None:
    bars = {
        measure["name"]: [bar["promise"] for bar in measure["bars"]]
        for measure in report["measures"]
    }

    assert bars == {
        "relay": ["relay, messages/s", "relay / one by one, confirmed"],
        "backlog": ["last tenth / first tenth"],
        "latency": ["placed → consumed, ms"],
    }
    rows = [row for measure in report["measures"] for row in measure["rows"]]
    assert all(0 <= row["figure"]["low"] <= row["figure"]["median"] for row in rows)


def test_a_backlog_is_told_in_ten_parts(report: dict[str, Any]) -> None:
    (backlog,) = (one for one in report["measures"] if one["name"] == "backlog")

    assert len(backlog["rows"][0]["extra"]) == 10
