"""Real processes of the application, started by tests."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from django.db import connection

from ops.stack.environment import with_path
from tests.contract.waiting import wait_until

START_SECONDS = 90.0


class Process:
    """Started at once, with its children in a group of their own, its words in ``log``."""

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, environ: Mapping[str, str]
    ) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                env={**environ, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self, words: str) -> bool:
        """Fails when it has ended without saying so."""
        ended = self.process.poll() is not None
        assert not ended or words in self.words(), self.words()
        return words in self.words()

    def words(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def terminate(self) -> None:
        self.process.terminate()

    def end(self) -> None:
        """Nothing of it is left afterwards."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=20)


def worker_command(name: str, queues: str, app: str = "config") -> list[str]:
    """As the stack starts it."""
    return [
        *("-m", "celery", "-A", app, "worker", "-Q", queues, "-n", f"{name}@test", "-c", "1"),
        *("--without-mingle", "--without-gossip", "--loglevel", "INFO"),
    ]


def worker(
    name: str, queues: str, folder: Path, *, app: str = "config", **settings: str
) -> Process:
    """A worker on the tests' own database and virtual host."""
    database = str(connection.settings_dict["NAME"])
    environ = {
        **os.environ,
        "DATABASE_URL": with_path(os.environ["DATABASE_URL"], f"/{database}"),
        "REMAP_SIGTERM": "SIGQUIT",
        **settings,
    }
    return Process(name, worker_command(name, queues, app), folder, environ)


@contextmanager
def ended(processes: Sequence[Process]) -> Iterator[None]:
    """Whatever happens inside, nothing of them is left afterwards."""
    try:
        yield
    finally:
        for one in processes:
            one.end()


@contextmanager
def all_ready(workers: Sequence[Process]) -> Iterator[None]:
    with ended(workers):
        for one in workers:
            wait_until(partial(one.said, "ready."), seconds=START_SECONDS)
        yield
