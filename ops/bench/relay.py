"""``./dev bench relay``: from the outbox to the broker, against publishing one by one."""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil

from ops.bench import report
from ops.bench.figures import Bar, Measure, Row, Spread, ratio
from ops.bench.orders import Told
from ops.bench.venvs import folder
from ops.stack.errors import StackError
from ops.stack.layout import CHECKOUT
from ops.stack.stack import Stack

MEASURES = ("rate", "backlog", "latency")
STACK = "bench-servers"
_PARTS = ("postgres", "epmd", "rabbitmq")
_START_SECONDS = 60.0
_RUN_SECONDS = 300.0
_TENTHS = 10


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of each measure. The first three are messages for each round."""

    publish: int
    naive: int
    relay: int
    rounds: int
    backlog: int
    placed: int
    gap_seconds: float
    idle_seconds: float


FULL = Effort(400, 100, 5_000, 5, 100_000, 60, 0.15, 5)
QUICK = Effort(50, 20, 500, 2, 3_000, 5, 0.1, 1)


def main(argv: list[str]) -> int:
    """Exit code 0 whenever everything could be measured; a missed bar is shown as MISSED."""
    wishes = _parser().parse_args(argv)
    effort = QUICK if wishes.quick else FULL
    if wishes.backlog:
        effort = replace(effort, backlog=wishes.backlog)
    results = []
    with Stack(STACK, fresh=True, parts=_PARTS, say=_say) as stack:
        environ = {**stack.environment, "LOG_LEVEL": "WARNING"}
        _prepare(stack)
        for measure in _measures(wishes.only or MEASURES, environ, effort):
            results.append(measure)
            print(f"\n{report.table(measure)}", flush=True)
    path = wishes.json or _default_path()
    report.write(report.as_json(results, quick=wishes.quick), path)
    print(f"\nWritten to {path}")
    return 0


def _prepare(stack: Stack) -> None:
    for command in (["migrate", "--no-input", "--verbosity", "0"], ["setup_broker"]):
        done = stack.manage(*command)
        if done.returncode != 0:
            raise StackError(f"{done.stderr.strip()}\n\n'{command[0]}' failed; see above.")


def _measures(names: Sequence[str], environ: dict[str, str], effort: Effort) -> Iterator[Measure]:
    with Told("relay", [sys.executable, "-m", "ops.bench.relay_hand"], environ) as hand:
        hand.hear(_START_SECONDS)
        if "rate" in names:
            yield _rate(hand, effort)
        if "backlog" in names:
            yield _backlog(hand, effort)
        if "latency" in names:
            yield _latency(hand, environ, effort)


def _rate(hand: Told, effort: Effort) -> Measure:
    rates: dict[str, list[float]] = {"publish": [], "naive": [], "relay": []}
    for number in range(effort.rounds):
        order = list(rates)
        for name in order[number % 3 :] + order[: number % 3]:
            rates[name].append(_rate_of(hand, name, effort))
    names = {
        "publish": "one by one, confirmed, no database",
        "naive": "one by one: lock, publish, delete",
        "relay": "relay",
    }
    return Measure(
        "relay",
        f"One process, RabbitMQ quorum queue. {effort.relay} rows of the outbox from claim to "
        f"delete, {effort.publish} and {effort.naive} messages one by one, in turn.",
        0,
        effort.rounds,
        "messages per second",
        [Row(names[name], "", Spread.of(figures)) for name, figures in rates.items()],
        [
            Bar("relay, messages/s", Spread.of(rates["relay"]), 3_000, at_most=False),
            Bar(
                "relay / one by one, confirmed",
                ratio(rates["relay"], rates["publish"]),
                6,
                at_most=False,
            ),
        ],
    )


def _rate_of(hand: Told, name: str, effort: Effort) -> float:
    order = {"do": name, "count": getattr(effort, name), "parts": 1}
    return float(hand.ask(order, _RUN_SECONDS)["rates"][0])


def _backlog(hand: Told, effort: Effort) -> Measure:
    order = {"do": "relay", "count": effort.backlog, "parts": _TENTHS}
    tenths = [float(rate) for rate in hand.ask(order, _RUN_SECONDS)["rates"]]
    # How long all took, not the mean of the rates.
    whole = Spread(statistics.harmonic_mean(tenths), min(tenths), max(tenths))
    parts = {f"{number}": rate for number, rate in enumerate(tenths, 1)}
    return Measure(
        "backlog",
        f"{effort.backlog} rows, all due at the same moment, drained by one relay; by tenths.",
        0,
        1,
        "messages per second",
        [Row("relay", "", whole, parts)],
        [Bar("last tenth / first tenth", _alone(tenths[-1] / tenths[0]), 0.8, at_most=False)],
    )


def _latency(hand: Told, environ: dict[str, str], effort: Effort) -> Measure:
    with _relay(environ) as relay:
        order = {"do": "place", "count": effort.placed, "gap_seconds": effort.gap_seconds}
        waits = [float(s) * 1_000 for s in hand.ask(order, _RUN_SECONDS)["seconds"]]
        # All its threads, user and system, while there is nothing to do.
        before = relay.cpu_times()
        time.sleep(effort.idle_seconds)
        after = relay.cpu_times()
    used = (after.user + after.system - before.user - before.system) / effort.idle_seconds
    return Measure(
        "latency",
        f"{effort.placed} messages, one each {effort.gap_seconds} s on average, beside "
        "'manage.py relay': from the commit to a consumer. Then nothing, and the relay's CPU.",
        0,
        1,
        "milliseconds",
        [
            Row("placed → consumed", "", Spread.of(waits)),
            Row("idle relay, % of one core", "", _alone(used * 100)),
        ],
        [Bar("placed → consumed, ms", Spread.of(waits), 15)],
    )


def _alone(figure: float) -> Spread:
    return Spread(figure, figure, figure)


@contextmanager
def _relay(environ: dict[str, str]) -> Iterator[psutil.Process]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "relay"],
        cwd=CHECKOUT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _say(line: str) -> None:
    print(line, flush=True)


def _default_path() -> Path:
    return folder() / "results" / f"relay-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev bench relay",
        description="Measure the relay against publishing one by one. Read the ratios.",
    )
    parser.add_argument("--quick", action="store_true", help="few messages: does it run at all")
    parser.add_argument("--json", type=Path, help="where the figures go (default: .stack/bench)")
    parser.add_argument("--only", action="append", choices=MEASURES, help="this measure only")
    parser.add_argument("--backlog", type=int, help="rows of the backlog, 100,000 unless --quick")
    return parser
