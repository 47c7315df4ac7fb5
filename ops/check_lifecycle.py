"""``./dev check-lifecycle``: random sequences of everything that can happen to an order."""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter

from ops.stack.layout import CHECKOUT
from ops.stack.stack import Stack

NAME = "lifecycle"


def main(argv: list[str]) -> int:
    """Exit code 0 when every sequence kept the promise, 1 when one did not."""
    parser = argparse.ArgumentParser(
        prog="./dev check-lifecycle",
        description="Random sequences of actions, several at once, against a model of the bank; "
        "after each, what must hold is checked, and the audit runs after every 150.",
    )
    parser.add_argument("--sequences", type=int, default=50_000, help="how many (50,000)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    wanted = parser.parse_args(argv)
    began = time.monotonic()
    with Stack(NAME, fresh=True, parts=("postgres",)) as stack:
        share = -(-wanted.sequences // wanted.processes)
        runs = [_Run(stack, wanted.seed + number, share) for number in range(wanted.processes)]
        try:
            results = [run.passed() for run in runs]
        finally:
            for run in runs:
                run.stop()
    counts = sum((run.counts for run in runs), Counter[str]())
    seconds = time.monotonic() - began
    print(
        f"{counts['sequences']:,} sequences with {counts['actions']:,} actions, "
        f"{counts['audits']:,} audits, in {seconds:.0f} s on {wanted.processes} processes."
    )
    passed = all(results)
    print("No promise was broken." if passed else "A promise was broken.")
    return 0 if passed else 1


class _Run:
    """One process and what it has told so far."""

    def __init__(self, stack: Stack, seed: int, sequences: int) -> None:
        self.counts: Counter[str] = Counter()
        command = [sys.executable, "-m", "ops.lifecycle"]
        self._process = subprocess.Popen(
            [*command, "--sequences", str(sequences), "--seed", str(seed)],
            cwd=CHECKOUT,
            env={**stack.environment, "EVENT_SINK_URL": ""},
            stdout=subprocess.PIPE,
            text=True,
        )
        self._seed = seed
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def passed(self) -> bool:
        self._reader.join()
        return self._process.wait() == 0

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            told = json.loads(line)
            if broken := told.pop("broken", ""):
                print(f"BROKEN  seed {self._seed}: {broken}", flush=True)
            self.counts = Counter(told)
            print(f"  seed {self._seed}: {self.counts['sequences']:,} sequences", flush=True)
