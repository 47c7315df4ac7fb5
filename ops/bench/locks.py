"""``./dev bench locks``: our locks against every peer, in one run, in turn."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ops.bench import contention, report, task_rate, uncontended
from ops.bench.contention import Crowd
from ops.bench.figures import Measure
from ops.bench.nodes import redis_nodes
from ops.bench.task_rate import Load
from ops.bench.uncontended import Pace
from ops.bench.venvs import folder
from ops.stack.stack import Stack

NODES = 5
MEASURES = ("quorum", "single", "contention", "task")
# For the advisory lock and for the task: a stack of its own, so that no other one is disturbed.
STACK = "bench-servers"


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of each measure."""

    pace: Pace
    crowd: Crowd
    load: Load


FULL = Effort(Pace(15, 0.25), Crowd(3), Load(5, 1_500))
QUICK = Effort(Pace(3, 0.05), Crowd(1, sections=20, limit_seconds=5), Load(1, 300))


def main(argv: list[str]) -> int:
    """Exit code 0 whenever everything could be measured; a missed bar is shown as MISSED."""
    wishes = _parser().parse_args(argv)
    names = [name for name in MEASURES if name in (wishes.only or MEASURES)]
    results = []
    for measure in _measures(names, set(wishes.without), QUICK if wishes.quick else FULL):
        results.append(measure)
        print(f"\n{report.table(measure)}", flush=True)
    path = wishes.json or _default_path()
    report.write(report.as_json(results, quick=wishes.quick), path)
    print(f"\nWritten to {path}")
    return 0


def _measures(names: Sequence[str], without: set[str], effort: Effort) -> Iterator[Measure]:
    """The named measures one after the other, each with nothing else running that it can avoid."""

    def wanted(peers: Sequence[str]) -> list[str]:
        return [peer for peer in peers if peer not in without]

    with redis_nodes(NODES) as urls:
        if "quorum" in names:
            peers = wanted(uncontended.QUORUM_PEERS)
            yield uncontended.quorum(urls, peers, effort.pace, _say)
        if "single" in names:
            peers = wanted(uncontended.SINGLE_PEERS)
            yield uncontended.single(urls, peers, effort.pace, _say)
        if "contention" in names:
            with _servers("postgres") as environ:
                peers = wanted(contention.PEERS)
                database = environ["DATABASE_URL"]
                yield contention.measure(urls, database, peers, effort.crowd, _say)
        if "task" in names:
            with _servers("postgres", "epmd", "rabbitmq") as environ:
                yield task_rate.measure(urls, environ, effort.load)


@contextmanager
def _servers(*parts: str) -> Iterator[dict[str, str]]:
    """A stack with these parts; the environment that leads to them."""
    with Stack(STACK, fresh=True, parts=parts, say=_say) as stack:
        yield dict(stack.environment)


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
