"""``./dev bench gate``: a click and a poll of a flash sale, against plainer ways to answer."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ops.bench import report
from ops.bench.figures import Bar, Measure, Row, Spread, ratio
from ops.bench.served import CONNECTIONS, ask, web
from ops.bench.venvs import folder
from ops.stack import programs
from ops.stack.errors import StackError
from ops.stack.layout import CHECKOUT
from ops.stack.stack import Stack

STACK = "bench-servers"
_PARTS = ("postgres", "redis-cache", "redis-gate")
_ANSWER_SECONDS = 120.0
CEILING, SCRIPT, OWN_SCRIPT, LOCKED, CONDITIONAL, GATE, POLL = (
    "only answers (ceiling)",
    "one Redis script",
    "one script on our wire",
    "SELECT FOR UPDATE",
    "conditional UPDATE",
    "the gate: a click",
    "the gate: a poll",
)


@dataclass(frozen=True, slots=True)
class Effort:
    rounds: int
    seconds: int
    crowd: int


FULL = Effort(5, 4, 2_000)
QUICK = Effort(1, 1, 100)


@dataclass(frozen=True, slots=True)
class Run:
    """``statements``: SQL during the run."""

    rate: float
    p50_ms: float
    p99_ms: float
    requests: int
    statements: int


def main(argv: list[str]) -> int:
    """Exit code 0 whenever everything could be measured; a missed bar is shown as MISSED."""
    wishes = _parser().parse_args(argv)
    programs.ensure(["wrk"], _say)
    measure = _measured(QUICK if wishes.quick else FULL)
    print(f"\n{report.table(measure)}", flush=True)
    path = wishes.json or folder() / "results" / f"gate-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    report.write(report.as_json([measure], quick=wishes.quick), path)
    print(f"\nWritten to {path}")
    return 0


def _measured(effort: Effort) -> Measure:
    with Stack(STACK, fresh=True, parts=_PARTS, say=_say) as stack, _folder() as place:
        environ = {
            **stack.environment,
            "LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "ops.bench.gate_settings",
            # Counted, but never reached: the crowd of the benchmark asks as fast as it can.
            "GATE_ASKS_PER_PERSON": "100000",
        }
        done = stack.manage("migrate", "--no-input", "--verbosity", "0")
        if done.returncode != 0:
            raise StackError(f"{done.stderr.strip()}\n\n'migrate' failed; see above.")
        sale = _prepared(environ, effort, place)
        with web(environ) as base:
            return _as_measure(_rounds(stack, effort, base, sale, place), effort)


def _prepared(environ: dict[str, str], effort: Effort, place: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "ops.bench.gate_hand", str(effort.crowd)],
        cwd=CHECKOUT,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_ANSWER_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"{done.stderr.strip()}\n\nThe sale could not be prepared; see above.")
    sale: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    lines = [
        f"{urlencode({'entry': token})}\t{person}\t{line}\n"
        for token, person, line in sale["crowd"]
    ]
    (place / "crowd").write_text("".join(lines), encoding="utf-8")
    return sale


def _rounds(
    stack: Stack, effort: Effort, base: str, sale: dict[str, Any], place: Path
) -> dict[str, list[Run]]:
    views = {
        CEILING: ("GET", "/bench/ceiling/"),
        SCRIPT: ("POST", "/bench/script/"),
        OWN_SCRIPT: ("POST", "/bench/script-on-our-wire/"),
        LOCKED: ("POST", f"/bench/for-update/{sale['item_id']}/"),
        CONDITIONAL: ("POST", f"/bench/conditional/{sale['item_id']}/"),
        GATE: ("POST", f"{sale['path']}/enter/"),
        POLL: ("GET", f"{sale['path']}/line/"),
    }
    runs: dict[str, list[Run]] = {name: [] for name in views}
    for method, path in views.values():  # imports, connections, the script in Redis
        ask(base, method, path, 1, place / "crowd")
    for number in range(effort.rounds):
        order = list(views)
        for name in order[number % len(order) :] + order[: number % len(order)]:
            before = stack.statements_run()
            told = ask(base, *views[name], effort.seconds, place / "crowd")
            runs[name].append(
                Run(
                    told["requests"] / told["seconds"],
                    told["p50_ms"],
                    told["p99_ms"],
                    told["requests"],
                    stack.statements_run() - before,
                )
            )
    return runs


def _as_measure(runs: dict[str, list[Run]], effort: Effort) -> Measure:
    rates = {name: [run.rate for run in found] for name, found in runs.items()}
    statements = [run.statements / run.requests for run in (*runs[GATE], *runs[POLL])]
    return Measure(
        "gate",
        f"Two processes with eight threads each, {CONNECTIONS} connections of wrk on the same "
        f"machine, {effort.crowd} people in line, all units held: everybody is refused or waits.",
        0,
        effort.rounds,
        "answers per second",
        [_row(name, found) for name, found in runs.items()],
        [
            Bar("click / one script", ratio(rates[GATE], rates[SCRIPT]), 0.7, at_most=False),
            Bar("click / FOR UPDATE", ratio(rates[GATE], rates[LOCKED]), 2.5, at_most=False),
            Bar("poll / ceiling", ratio(rates[POLL], rates[CEILING]), 0.6, at_most=False),
            Bar("SQL statements per loser", Spread.of(statements), 0),
        ],
    )


def _row(name: str, runs: list[Run]) -> Row:
    return Row(
        name,
        "",
        Spread.of(run.rate for run in runs),
        {
            "p50 ms": Spread.of(run.p50_ms for run in runs).median,
            "p99 ms": Spread.of(run.p99_ms for run in runs).median,
            "SQL per answer": sum(run.statements for run in runs)
            / sum(run.requests for run in runs),
        },
    )


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="soldonce-bench-") as name:
        yield Path(name)


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev bench gate",
        description="Measure the gate of a flash sale against plainer views. Read the ratios.",
    )
    parser.add_argument("--quick", action="store_true", help="one short round: does it run at all")
    parser.add_argument("--json", type=Path, help="where the figures go (default: .stack/bench)")
    return parser
