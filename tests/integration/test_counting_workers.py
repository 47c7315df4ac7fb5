"""Counters are exact over children that end, are replaced, and workers that are told to stop."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from celery import current_app
from django.conf import LazySettings
from kombu import Connection
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from tasks import topology
from tests.contract.waiting import wait_until

# As in counted_worker, which is the worker's alone.
TASK, QUEUE = "toy.counted", "toy.counted"
MESSAGES = 60
START_SECONDS = 90.0


@contextmanager
def worker(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Children that are replaced after seven tasks; stopped as a deploy stops it."""
    command = [
        *(sys.executable, "-m", "celery", "-A", "tests.integration.counted_worker", "worker"),
        *("-Q", QUEUE, "-n", f"{uuid4().hex}@%h", "-c", "2", "--max-tasks-per-child", "7"),
        *("--without-mingle", "--without-gossip", "--without-heartbeat", "--loglevel", "WARNING"),
    ]
    process = subprocess.Popen(
        command,
        env={
            **os.environ,
            "PROMETHEUS_MULTIPROC_DIR": str(folder),
            "HEARTBEAT_FILE": str(folder.with_name("heartbeat")),
            "REMAP_SIGTERM": "SIGQUIT",
        },
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            process.kill()


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def counted(folder: Path, name: str, **labels: str) -> float:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return registry.get_sample_value(name, {"task": TASK, **labels}) or 0.0


@pytest.fixture
def queue(settings: LazySettings, channel_to_broker: Connection) -> Iterator[None]:
    settings.TASK_QUEUES = {**settings.TASK_QUEUES, TASK: QUEUE}
    current_app.amqp.queues.add(topology.work_queue(QUEUE))
    toy = topology.work_queue(QUEUE)(channel_to_broker.default_channel)
    toy.declare()
    toy.purge()
    yield
    toy.delete()
    del current_app.amqp.queues[QUEUE]


def send(path: Path, number: int, connection: Connection) -> None:
    with current_app.amqp.Producer(connection, auto_declare=False) as producer:
        for _ in range(number):
            current_app.send_task(TASK, kwargs={"path": str(path)}, producer=producer)


def test_runs_are_counted_once_whatever_becomes_of_the_processes(
    queue: None, channel_to_broker: Connection, tmp_path: Path
) -> None:
    path, folder = tmp_path / "lines", tmp_path / "metrics"
    send(path, MESSAGES, channel_to_broker)
    with worker(folder):
        wait_until(lambda: lines(path) >= MESSAGES // 2, seconds=START_SECONDS)
    assert (tmp_path / "heartbeat").exists()
    # Told to stop with messages left: what ran has been counted, the rest went back.
    assert counted(folder, "task_runs_total", outcome="succeeded") == lines(path)
    with worker(folder):
        wait_until(lambda: lines(path) >= MESSAGES, seconds=START_SECONDS)
    assert len({file.stem.rpartition("_")[2] for file in folder.glob("counter_*")}) > 4
    assert counted(folder, "task_runs_total", outcome="succeeded") == lines(path)
    assert counted(folder, "task_run_seconds_count") == lines(path)
    assert counted(folder, "task_attempts_sum") == lines(path)
