"""A real Celery worker in processes of its own, on the servers and the database of the tests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from django.db import connection

from ops.stack.environment import with_path
from tests.contract.waiting import wait_until

_START_SECONDS = 60.0


class WorkerProcess:
    """One process that receives and one that runs tasks. ``environment`` is added to ours."""

    def __init__(self, app: str, queue: str, folder: Path, name: str, **environment: str) -> None:
        self.name = f"{name}@test"
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._command = [
            *(sys.executable, "-m", "celery", "-A", app, "worker", "-Q", queue, "-n", self.name),
            *("-P", "prefork", "-c", "1", "--loglevel", "INFO"),
            *("--without-mingle", "--without-gossip"),
        ]
        database = str(connection.settings_dict["NAME"])
        self._environment = {
            **os.environ,
            "DATABASE_URL": with_path(os.environ["DATABASE_URL"], f"/{database}"),
            "PYTHONUNBUFFERED": "1",
            **environment,
        }

    def ensure_running(self) -> None:
        """Returns when it receives messages; fails with its log when it ended instead."""
        if self._process is None or self._process.poll() is not None:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    self._command,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        wait_until(self._is_ready, seconds=_START_SECONDS)

    def end(self) -> None:
        """kill -9, with its children."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            main = psutil.Process(process.pid)
            for each in (*main.children(recursive=True), main):
                each.kill()
        process.wait(timeout=10)

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        return b"ready." in self._log.read_bytes()


@contextmanager
def running_worker(
    app: str, queue: str, folder: Path, name: str = "worker", **environment: str
) -> Iterator[WorkerProcess]:
    """A worker that is ready on entry and killed on exit."""
    worker = WorkerProcess(app, queue, folder, name, **environment)
    try:
        worker.ensure_running()
        yield worker
    finally:
        worker.end()
