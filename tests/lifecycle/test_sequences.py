"""Random sequences of everything that can happen to an order; after each the promise holds."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from ops.stack.layout import CHECKOUT

SEQUENCES = int(os.environ.get("LIFECYCLE_SEQUENCES", "2000"))
SEED = int(os.environ.get("LIFECYCLE_SEED", "1"))
PROCESSES = min(2, os.cpu_count() or 1)
MINUTES = 20


@pytest.mark.timeout(MINUTES * 60 + 60)
def test_no_sequence_of_actions_breaks_the_promise() -> None:
    share = -(-SEQUENCES // PROCESSES)
    command = [sys.executable, "-m", "ops.lifecycle", "--sequences", str(share), "--seed"]
    runs = [
        subprocess.Popen(
            [*command, str(SEED + number)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
        )
        for number in range(PROCESSES)
    ]
    counts: Counter[str] = Counter()
    try:
        for run in runs:
            lines = run.communicate(timeout=MINUTES * 60)[0].splitlines()
            told = json.loads(lines[-1]) if lines else {}
            assert run.returncode == 0, told.pop("broken", "It ended without a word.")
            counts.update(told)
    finally:
        for run in runs:
            run.kill()
            run.wait()

    assert counts["sequences"] >= SEQUENCES
    assert counts["audits"] > 0
