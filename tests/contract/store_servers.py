"""One PostgreSQL and one ZooKeeper server that a test can stop, continue, kill and start again.

Unlike a lock node they keep their data, as they do where they are used.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg2
from django.db import connection

from ops.stack import postgres, programs
from ops.stack.errors import NotReady
from ops.stack.layout import Layout
from tasks.models import LockFence
from tests.contract.redis_nodes import free_port
from tests.contract.waiting import wait_until

ZOOKEEPER_JAR = Path("/usr/share/java/zookeeper.jar")


class StoreServer(ABC):
    """A server process with its children."""

    start_seconds = 30.0

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def launch(self) -> "subprocess.Popen[bytes]":
        """Start the program."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it can be used."""

    def start(self) -> None:
        """Start it, or let it go on, or do nothing: it runs and answers afterwards."""
        self.go_on()
        if self._process is None or self._process.poll() is not None:
            self._process = self.launch()
        deadline = time.monotonic() + self.start_seconds
        while not self.answers():
            assert self._process.poll() is None, f"{type(self).__name__} ended at once"
            assert time.monotonic() < deadline, f"{type(self).__name__} did not start"
            time.sleep(0.02)

    def hang(self) -> None:
        """Stop every thread; a signal to many of them takes a moment."""
        self._signal(signal.SIGSTOP)
        wait_until(lambda: all(_is_stopped(process.pid) for process in self._family()))

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill -9 for it and for all its children."""
        family = self._family()
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(timeout=10)
        psutil.wait_procs(family, timeout=10)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._family():
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue

    def _family(self) -> list["psutil.Process"]:
        if self._process is None or self._process.poll() is not None:
            return []
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]


class PostgresServer(StoreServer):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._layout = Layout(folder)
        self._password = secrets.token_urlsafe(16)
        postgres.create_data(self._layout, self.port, self._password)

    @property
    def parameters(self) -> dict[str, str | int]:
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": postgres.SUPERUSER,
            "password": self._password,
            "dbname": "postgres",
        }

    def launch(self) -> "subprocess.Popen[bytes]":
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                postgres.command(self._layout),
                cwd="/",
                user=postgres.system_user(),
                group=postgres.system_user(),
                extra_groups=[] if postgres.system_user() else None,
                stdout=log,
                stderr=log,
            )

    def answers(self) -> bool:
        try:
            postgres.probe(self.port, {"postgres_superuser": self._password})
        except NotReady:
            return False
        return True

    def make_table(self) -> None:
        """The table as the migration makes it. Django looks at its own database to write that down,
        so it must be allowed to."""
        with connection.schema_editor(collect_sql=True, atomic=False) as editor:
            editor.create_model(LockFence)
        connection.close()
        for statement in editor.collected_sql:
            self.ask(statement)

    def ask(self, statement: str, values: object = None) -> list[tuple[object, ...]]:
        plain = psycopg2.connect(**self.parameters)  # type: ignore[call-overload]
        try:
            plain.autocommit = True
            with plain.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            plain.close()


class ZooKeeperServer(StoreServer):
    def launch(self) -> "subprocess.Popen[bytes]":
        config = self.folder / "zoo.cfg"
        config.write_text(
            f"tickTime=200\ndataDir={self.folder}\nclientPort={self.port}\n"
            "clientPortAddress=127.0.0.1\nmaxSessionTimeout=60000\nmaxClientCnxns=0\n"
            "admin.enableServer=false\n4lw.commands.whitelist=isro\n",
            encoding="utf-8",
        )
        lean = ("-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        return subprocess.Popen(
            ["java", *lean, "-cp", str(ZOOKEEPER_JAR), main, str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as asked:
                asked.sendall(b"isro")
                return asked.recv(4) == b"rw"
        except OSError:
            return False

    @property
    def hosts(self) -> list[str]:
        return [f"127.0.0.1:{self.port}"]


def _is_stopped(pid: int) -> bool:
    states = [stat.read_text().rpartition(")")[2].split()[0]
              for stat in Path(f"/proc/{pid}/task").glob("*/stat")]  # fmt: skip
    return all(state == "T" for state in states)


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """A temporary folder that other users may pass through: PostgreSQL does not run as root."""
    folder = Path(tempfile.mkdtemp(prefix="locks-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    with folder_for_all() as folder:
        server = PostgresServer(folder)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@contextmanager
def running_zookeeper() -> Iterator[ZooKeeperServer]:
    with folder_for_all() as folder:
        server = ZooKeeperServer(folder)
        try:
            server.start()
            yield server
        finally:
            server.kill()


def why_no_zookeeper() -> str:
    """Empty when ZooKeeper can be started here; else what to do. CI must have it."""
    if ZOOKEEPER_JAR.exists() and programs.find("ZooKeeper") and shutil.which("java"):
        return ""
    missing = "ZooKeeper is not installed here: apt-get install --no-install-recommends zookeeper"
    assert not os.environ.get("CI"), missing
    return missing
