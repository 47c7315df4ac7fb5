"""``./dev crash``: relay and workers killed with -9 while messages flow, then the count."""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from ops.crash.fleet import Fleet
from ops.crash.kills import FEWEST, kills
from ops.crash.witness import Facts, Witness
from ops.stack.environment import LOCK_NODES, with_path
from ops.stack.errors import StackError
from ops.stack.layout import CHECKOUT
from ops.stack.stack import Stack

SETTINGS = "tests.integration.toy_app.settings"
DATABASE = "crash"
SERVERS = ("epmd", "rabbitmq", *LOCK_NODES, "redis-cache", "redis-gate", "postgres")
RELAYS, WORKERS = 2, 2
MESSAGES_PER_GIFT = 2
EVERY = 40
_PREPARE_SECONDS = 120.0
_LOOK_SECONDS = 1.0
# So long must nothing be on its way before the processes are stopped and the last count is taken.
_QUIET_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    facts: Facts
    kills: "Counter[str]"
    seconds: float
    broken: list[str]

    def __str__(self) -> str:
        killed = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kills.items()))
        return (
            f"{self.facts.messages} messages in {self.seconds:.0f} s, killed {killed}; "
            f"handled again: {self.facts.handled_again}; "
            f"{'BROKEN: ' + '; '.join(self.broken) if self.broken else 'each effect once'}"
        )


def main(argv: list[str]) -> int:
    """Exit code 0 when every run kept every promise."""
    parser = argparse.ArgumentParser(
        prog="./dev crash", description="Kill relays and workers while messages flow, then count."
    )
    parser.add_argument("--runs", type=int, default=1, help="how many times (1)")
    parser.add_argument("--messages", type=int, default=5_000, help="in each run (5,000)")
    parser.add_argument("--seed", type=int, default=None, help="of the kills' order (random)")
    parser.add_argument(
        "--every", type=int, default=EVERY, help=f"messages between two kills, mean ({EVERY})"
    )
    wanted = parser.parse_args(argv)
    if wanted.every < FEWEST:
        parser.error(f"--every {wanted.every}: give {FEWEST} or more, or nothing gets done")
    seed = random.randrange(1_000_000) if wanted.seed is None else wanted.seed
    broken = 0
    with (
        Stack("crash", fresh=True, parts=SERVERS) as stack,
        tempfile.TemporaryDirectory(prefix="soldonce-crash-") as folder,
    ):
        environ = prepare(stack.environment, Path(folder))
        for number in range(wanted.runs):
            outcome = run(environ, wanted.messages, seed + number, every=wanted.every)
            print(f"run {number + 1:>2}, seed {seed + number}: {outcome}", flush=True)
            broken += bool(outcome.broken)
    print(f"{wanted.runs - broken} of {wanted.runs} runs kept every promise.")
    return 1 if broken else 0


def prepare(values: Mapping[str, str], folder: Path) -> dict[str, str]:
    """A database and queues for the toy application; the environment of its processes.

    Raises:
        StackError: one of the steps failed; its own words are in the message.
    """
    printer = folder / "printer"
    printer.mkdir()
    environ = {
        **values,
        "DATABASE_URL": with_path(values["DATABASE_URL"], f"/{DATABASE}"),
        "DJANGO_SETTINGS_MODULE": SETTINGS,
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
        "TOY_PRINTER_DIR": str(printer),
        "CRASH_FOLDER": str(folder),
        "LOG_LEVEL": "WARNING",
    }
    _create_database(values["DATABASE_URL"])
    _step(environ, "manage.py", "migrate", "--no-input", "--verbosity", "0")
    _step(environ, "manage.py", "setup_broker")
    return environ


def run(
    environ: Mapping[str, str],
    messages: int,
    seed: int,
    *,
    every: int = EVERY,
    limit: float = 1_800.0,
) -> Outcome:
    """Let the messages flow under kills until all is done or ``limit`` seconds are over."""
    gifts = messages // MESSAGES_PER_GIFT
    with closing(Witness(environ)) as witness:
        witness.set_up()
        began = time.monotonic()
        with Fleet(_places(), environ) as fleet:
            with kills(fleet, random.Random(seed), witness.handled, every=every) as hit:
                _step(environ, "-m", "ops.crash.load", str(gifts), seconds=limit)
                _wait(witness, lambda facts: facts.printed == gifts, began + limit)
            seconds = time.monotonic() - began
            _wait(witness, lambda facts: facts.done(gifts), began + limit, quiet=_QUIET_SECONDS)
            fleet.stop()
        facts = witness.facts()
    return Outcome(facts, hit, seconds, facts.broken(gifts))


def _places() -> dict[str, list[str]]:
    worker = ["-m", "celery", "-A", "ops.crash.app", "worker", "-Q", "toy.gifts,toy.cards"]
    quiet = ["-c", "2", "--without-mingle", "--without-gossip", "--loglevel", "WARNING"]
    relays = {f"relay-{n}": ["manage.py", "relay"] for n in range(RELAYS)}
    workers = {f"worker-{n}": [*worker, "-n", f"crash{n}@%h", *quiet] for n in range(WORKERS)}
    return relays | workers


def _wait(
    witness: Witness, good: Callable[[Facts], bool], deadline: float, *, quiet: float = 0.0
) -> None:
    """Until it is good and stays so; or the time is up, which the last count will tell."""
    good_since: float | None = None
    while (now := time.monotonic()) < deadline:
        good_since = (good_since or now) if good(witness.facts()) else None
        if good_since is not None and now - good_since >= quiet:
            return
        time.sleep(_LOOK_SECONDS)


def _create_database(url: str) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            cursor.execute(f"CREATE DATABASE {DATABASE}")


def _step(environ: Mapping[str, str], *command: str, seconds: float = _PREPARE_SECONDS) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=CHECKOUT,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"{done.stderr.strip()}\n\n'{' '.join(command)}' failed; see above.")
