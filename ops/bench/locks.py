"""``./dev bench locks``: our locks against every peer, in one run, in turn."""

import argparse
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from ops.bench import contention, report, uncontended
from ops.bench.contention import Crowd
from ops.bench.figures import Measure
from ops.bench.nodes import redis_nodes
from ops.bench.uncontended import Pace
from ops.bench.venvs import folder
from ops.stack.stack import Stack

NODES = 5
MEASURES = ("quorum", "single", "contention")
# What the advisory lock needs; a stack of its own, so that no other one is disturbed.
STACK = "bench-servers"


def main(argv: list[str]) -> int:
    """Exit code 0 whenever everything could be measured; a missed bar is shown as MISSED."""
    wishes = _parser().parse_args(argv)
    names = wishes.only or list(MEASURES)
    without = set(wishes.without)
    pace = Pace(3, 0.05) if wishes.quick else Pace(15, 0.25)
    results: list[Measure] = []

    def take(measure: Measure) -> None:
        results.append(measure)
        print(f"\n{report.table(measure)}", flush=True)

    with redis_nodes(NODES) as urls, ExitStack() as stack:
        if "quorum" in names:
            peers = [peer for peer in uncontended.QUORUM_PEERS if peer not in without]
            take(uncontended.quorum(urls, peers, pace, _say))
        if "single" in names:
            peers = [peer for peer in uncontended.SINGLE_PEERS if peer not in without]
            take(uncontended.single(urls, peers, pace, _say))
        if "contention" in names:
            servers = stack.enter_context(Stack(STACK, fresh=True, parts=["postgres"], say=_say))
            peers = [peer for peer in contention.PEERS if peer not in without]
            crowd = Crowd(1, sections=20, limit_seconds=5) if wishes.quick else Crowd(3)
            database = servers.environment["DATABASE_URL"]
            take(contention.measure(urls, database, peers, crowd, _say))
    path = wishes.json or _default_path()
    report.write(report.as_json(results, quick=wishes.quick), path)
    print(f"\nWritten to {path}")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _default_path() -> Path:
    return folder() / "results" / f"locks-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev bench locks",
        description="Measure the locks against every peer. Read the ratios, not the times.",
    )
    parser.add_argument("--quick", action="store_true", help="few short rounds: does it run at all")
    parser.add_argument("--json", type=Path, help="where the figures go (default: .stack/bench)")
    parser.add_argument("--only", action="append", choices=MEASURES, help="this measure only")
    parser.add_argument("--without", action="append", default=[], help="leave this peer out")
    return parser
