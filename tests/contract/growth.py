"""Whether a process and its lock nodes hold more after many cycles than before."""

import gc
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import psutil

from tasks.locks.redlock import Redlock
from tests.contract.redis_nodes import PREFIX, Nodes, running
from tests.contract.waiting import wait_until

_WARM_UP = 2_000
_MEMORY_MB = 8.0


@dataclass(frozen=True)
class Growth:
    """What is there, or how much more than after the warm-up."""

    threads: int
    files: int
    connections: int
    """Of the clients, as the nodes count them."""
    keys: int
    memory_mb: float

    def since(self, before: "Growth") -> "Growth":
        return Growth(
            self.threads - before.threads,
            self.files - before.files,
            self.connections - before.connections,
            self.keys - before.keys,
            self.memory_mb - before.memory_mb,
        )

    @property
    def nothing(self) -> bool:
        counted = (self.threads, self.files, self.connections, self.keys)
        return max(counted) <= 0 and self.memory_mb < _MEMORY_MB


def measure_growth(cycles: int, size: int = 3) -> Growth:
    """Run ``cycles`` times acquire and release on ``size`` real servers."""
    with tempfile.TemporaryDirectory() as folder, running(size, Path(folder)) as nodes:
        backend = Redlock(nodes.urls, prefix=PREFIX, max_ttl=2.0, node_timeout=0.25)
        try:
            _run(backend, _WARM_UP)
            before = _look(nodes)
            _run(backend, cycles)
            after = _look(nodes)
        finally:
            backend.close()
    return after.since(before)


def _run(backend: Redlock, cycles: int) -> None:
    for number in range(cycles):
        assert backend.release(backend.acquire(f"cycle:{number % 50}", ttl=1.0))


def _look(nodes: Nodes) -> Growth:
    gc.collect()
    wait_until(lambda: nodes.slots() == [])
    connections = keys = 0
    for node in nodes:
        with node.client() as plain:
            connections += plain.info("clients")["connected_clients"]
            keys += plain.dbsize()
    process = psutil.Process(os.getpid())
    memory_mb = process.memory_info().rss / 1e6
    return Growth(threading.active_count(), process.num_fds(), connections, keys, memory_mb)
