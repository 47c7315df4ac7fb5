"""The benchmark runs and says what it measured; what it measured is not judged here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]


def test_the_gate_is_measured_beside_five_plainer_views(tmp_path: Path) -> None:
    path = tmp_path / "gate.json"
    done = subprocess.run(
        [sys.executable, "-m", "ops", "bench", "gate", "--quick", "--json", str(path)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    (measure,) = found["measures"]
    assert [bar["promise"] for bar in measure["bars"]] == [
        "click / one script",
        "click / FOR UPDATE",
        "poll / ceiling",
        "SQL statements per loser",
    ]
    # The one promise that does not depend on the machine.
    assert measure["bars"][-1]["figure"]["high"] == 0
    assert len(measure["rows"]) == 7
    assert all(row["figure"]["low"] > 0 for row in measure["rows"])
