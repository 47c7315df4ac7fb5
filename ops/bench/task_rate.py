"""What the guard costs a Celery task: the same task with and without it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.bench.figures import Bar, Measure, Row, Spread, ratio
from ops.bench.nodes import PREFIX
from ops.bench.orders import Told
from ops.stack.errors import StackError
from ops.stack.layout import CHECKOUT

# Not imported from noop_tasks, which needs the application's settings.
GUARDED, UNGUARDED, QUEUE = "bench.guarded", "bench.unguarded", "bench.noop"
_START_SECONDS = 60.0
_RUN_SECONDS = 180.0
_STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Load:
    """``tasks``: how many messages for each kind of task and round."""

    rounds: int
    tasks: int
    processes: int = 2


def measure(urls: Sequence[str], stack_environment: Mapping[str, str], load: Load) -> Measure:
    """One worker, one queue; full of guarded tasks, then of unguarded ones, in turn."""
    environ = {
        **os.environ,
        **stack_environment,
        "LOCK_REDIS_URLS": ",".join(urls),
        "LOCK_KEY_PREFIX": PREFIX,
        "LOG_LEVEL": "WARNING",
    }
    _migrate(environ)
    rates: dict[str, list[float]] = {UNGUARDED: [], GUARDED: []}
    command = [sys.executable, "-m", "ops.bench.feeder"]
    with Told("feeder", command, environ) as feeder:
        feeder.hear(_START_SECONDS)
        with _worker(environ, load.processes):
            for number in range(load.rounds + 1):
                pair = (UNGUARDED, GUARDED) if number % 2 else (GUARDED, UNGUARDED)
                for task in pair:
                    order = {"do": "run", "task": task, "count": load.tasks}
                    rate = float(feeder.ask(order, _RUN_SECONDS)["rate"])
                    if number:  # the first round makes connections
                        rates[task].append(rate)
    return Measure(
        "guarded task",
        f"One prefork worker with {load.processes} processes, RabbitMQ quorum queue, late acks, "
        f"{load.tasks} no-op tasks of each kind in each round, each with a key of its own.",
        len(urls),
        load.rounds,
        "tasks per second",
        [Row(name, "", Spread.of(figures)) for name, figures in rates.items()],
        [Bar("guarded / unguarded", ratio(rates[GUARDED], rates[UNGUARDED]), 0.7, at_most=False)],
    )


def _migrate(environ: Mapping[str, str]) -> None:
    """The tables: a task that fails writes into them, and the guard may."""
    command = [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity", "0"]
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=_RUN_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"{done.stderr.strip()}\n\nThe database could not be prepared; see above.")


@contextmanager
def _worker(environ: Mapping[str, str], processes: int) -> Iterator[None]:
    command = [
        *(sys.executable, "-m", "celery", "-A", "ops.bench.noop_tasks", "worker"),
        *("-Q", QUEUE, "-n", "bench@%h", "-P", "prefork", "-c", str(processes)),
        *("--without-mingle", "--without-gossip", "--loglevel", "WARNING"),
    ]
    with tempfile.TemporaryDirectory(prefix="soldonce-bench-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env={**environ, "REMAP_SIGTERM": "SIGQUIT"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            try:
                yield
            except StackError as error:
                words = log.read_text(errors="replace")
                raise StackError(f"The worker's own words:\n{words}\n{error}") from error
        finally:
            _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=_STOP_SECONDS)
