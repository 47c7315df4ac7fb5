"""Independent Redis servers for one benchmark, gone with it."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.stack import ports, programs
from ops.stack.errors import StackError
from tasks.locks.bootstrap import mark_ready

PREFIX = "bench"
_START_SECONDS = 10.0


@contextmanager
def redis_nodes(size: int) -> Iterator[list[str]]:
    """Start ``size`` empty servers that vote at once; their URLs.

    Raises:
        StackError: redis-server is not installed, or one did not start.
    """
    programs.ensure(["Redis"], print)
    program = programs.command("Redis")
    chosen = list(ports.choose([f"node-{number}" for number in range(size)], {}).values())
    folder = Path(tempfile.mkdtemp(prefix="soldonce-bench-"))
    servers: list[subprocess.Popen[bytes]] = []
    try:
        for port in chosen:
            servers.append(_start(program, port, folder))
        for port, server in zip(chosen, servers, strict=True):
            _await(port, server)
        urls = [f"redis://{ports.LOOPBACK}:{port}/0" for port in chosen]
        mark_ready(urls, prefix=PREFIX)
        yield urls
    finally:
        for server in servers:
            server.kill()
            server.wait(timeout=10)
        shutil.rmtree(folder, ignore_errors=True)


def _start(program: Path, port: int, folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [
            *(str(program), "--port", str(port), "--bind", ports.LOOPBACK, "--dir", str(folder)),
            *("--save", "", "--appendonly", "no", "--loglevel", "warning"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def _await(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection((ports.LOOPBACK, port), timeout=1).close()
            return
        except OSError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise StackError(
                    f"redis-server on port {port} did not start: {error}. Run the benchmark again."
                ) from None
            time.sleep(0.01)
