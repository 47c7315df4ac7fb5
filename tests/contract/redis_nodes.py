"""Real Redis servers on free ports that a test can stop, continue, kill and start again empty."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasks.locks.bootstrap import mark_ready

PREFIX = "test"
_START_SECONDS = 10.0


_GIVEN: set[int] = set()


def free_port() -> int:
    """A port that nothing listens on, and another one each time: the servers start later."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _GIVEN:
            _GIVEN.add(port)
            return port


class RedisNode:
    """One redis-server without persistence."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program, "redis-server is not installed: apt-get install redis-server"
        base = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        quiet = ["--save", "", "--appendonly", "no", "--loglevel", "warning"]
        self._process = subprocess.Popen(
            [program, *base, *quiet, *self._options], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                with self.client() as client:
                    client.ping()
                return
            except redis.AuthenticationError:
                return
            except redis.ConnectionError:
                assert time.monotonic() < deadline, "redis-server did not start"
                assert self._process.poll() is None, "redis-server ended at once"
                time.sleep(0.005)

    @contextmanager
    def client(self) -> Iterator["redis.Redis"]:
        client = redis.Redis(port=self.port, socket_timeout=5, retry=Retry(NoBackoff(), 0))
        try:
            yield client
        finally:
            client.close()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def hang(self) -> None:
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill -9; the memory is gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(timeout=10)

    def restart_empty(self) -> None:
        self.kill()
        self.start()

    def keys(self, pattern: str) -> list[bytes]:
        with self.client() as client:
            return list(client.scan_iter(match=pattern))

    def slots(self) -> list[bytes]:
        """The slots that are taken now."""
        return self.keys(f"{PREFIX}:lease:*")


class Nodes(list[RedisNode]):
    """N independent servers."""

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self]

    def mark_new(self) -> None:
        mark_ready(self.urls, prefix=PREFIX)

    def slots(self) -> list[bytes]:
        return [slot for node in self for slot in node.slots()]


@contextmanager
def running(size: int, folder: Path, *options: str, trusted: bool = True) -> Iterator[Nodes]:
    """Start ``size`` servers; ``trusted`` marks them new, so that they vote at once."""
    nodes = Nodes(RedisNode(folder, *options) for _ in range(size))
    try:
        for node in nodes:
            node.start()
        if trusted:
            nodes.mark_new()
        yield nodes
    finally:
        for node in nodes:
            node.kill()
