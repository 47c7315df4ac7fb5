"""A worker that sleeps through the end of its lease wakes up to find that it may not write."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import current_app
from django.conf import LazySettings
from django.db import connection

from ops.stack.environment import with_path
from orders.models import Order
from tasks import broker, topology
from tasks.models import OutboxMessage
from tests.contract.redis_nodes import PREFIX, Nodes, running
from tests.contract.waiting import wait_until
from tests.integration.shopping import placed

pytestmark = [
    pytest.mark.crash,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(150),
]

TASK, QUEUE = "toy.slow_hand", "orders.payment"
REPETITIONS = int(os.environ.get("PAUSED_WORKER_REPETITIONS", "20"))
TTL_SECONDS = 0.6
START_SECONDS = 30.0


class Worker:
    """A real Celery worker in processes of its own: one that receives, one that runs tasks."""

    def __init__(self, name: str, nodes: Nodes, folder: Path) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "celery", "-A", "tests.crash.slow_hands", "worker"),
                    *("-Q", QUEUE, "-n", f"{name}@crash", "-P", "prefork", "-c", "1"),
                    *("--without-mingle", "--without-gossip", "--loglevel", "INFO"),
                ],
                env={**os.environ, **_settings(nodes)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return b"ready." in self.log.read_bytes()

    def signal(self, number: signal.Signals) -> None:
        """To the main process and every child: none of it runs on."""
        main = psutil.Process(self.process.pid)
        for process in (main, *main.children(recursive=True)):
            process.send_signal(number)

    def end(self) -> None:
        main = psutil.Process(self.process.pid)
        for process in (*main.children(recursive=True), main):
            process.kill()
        self.process.wait(timeout=10)


def _settings(nodes: Nodes) -> dict[str, str]:
    database = str(connection.settings_dict["NAME"])
    return {
        "DATABASE_URL": with_path(os.environ["DATABASE_URL"], f"/{database}"),
        "LOCK_REDIS_URLS": ",".join(nodes.urls),
        "LOCK_KEY_PREFIX": PREFIX,
        "LOCK_TTL_SECONDS": str(TTL_SECONDS),
        "LOCK_NODE_TIMEOUT_SECONDS": "0.15",
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def _two_workers(nodes: Nodes, folder: Path) -> Iterator[dict[int, Worker]]:
    """Both by the id of their main process."""
    workers = [Worker(name, nodes, folder) for name in ("ann", "ben")]
    try:
        for worker in workers:
            wait_until(worker.is_ready, seconds=START_SECONDS)
        yield {worker.process.pid: worker for worker in workers}
    finally:
        for worker in workers:
            worker.end()


@pytest.fixture
def empty_queue(settings: LazySettings) -> Iterator[None]:
    """The task's queue, declared, with nothing in it before and after."""
    settings.TASK_QUEUES = {**settings.TASK_QUEUES, TASK: QUEUE}
    broker.declare()
    with current_app.connection_for_write() as amqp:
        queue = topology.work_queue(QUEUE)(amqp.default_channel)
        queue.purge()
        yield
        queue.purge()


def _send(order: Order, name: str, **more: Any) -> None:
    current_app.send_task(
        TASK, kwargs={"order_id": order.pk, "name": name, **more}, queue=QUEUE, retry=False
    )


def _written(order: Order) -> list[tuple[str, int]]:
    """Who wrote, with which token, in this order."""
    events = order.timeline.filter(kind="written").order_by("pk")
    return [(event.actor, int(event.text)) for event in events]


def test_a_worker_stopped_beyond_its_lease_is_refused_and_one_effect_remains(
    empty_queue: None, tmp_path: Path
) -> None:
    with running(3, tmp_path) as nodes, _two_workers(nodes, tmp_path) as workers:
        for number in range(REPETITIONS):
            folder = tmp_path / str(number)
            folder.mkdir()
            _stop_take_over_go_on(placed(f"SKU-{number}"), nodes, workers, folder)


def _stop_take_over_go_on(
    order: Order, nodes: Nodes, workers: dict[int, Worker], folder: Path
) -> None:
    _send(order, "first", folder=str(folder))
    wait_until((folder / "inside").exists, seconds=10)
    stopped = workers[int((folder / "inside").read_text())]
    stopped.signal(signal.SIGSTOP)
    stopped_at = time.monotonic()
    try:
        # Not a word from the holder, so only its lease's end can free the key.
        wait_until(lambda: nodes.slots() == [], seconds=TTL_SECONDS + 1)
        assert time.monotonic() - stopped_at < TTL_SECONDS + 0.5
        _send(order, "second")
        wait_until(lambda: len(_written(order)) == 1, seconds=10)
        (folder / "go").touch()
    finally:
        stopped.signal(signal.SIGCONT)
    refusals = OutboxMessage.objects.filter(task=TASK, kwargs__order_id=order.pk)
    wait_until(refusals.exists, seconds=10)

    # The refused one comes back by the outbox, and nothing of its writes has landed.
    assert refusals.get().kwargs["name"] == "first"
    assert refusals.get().reason.startswith("LeaseLost: Order")
    order.refresh_from_db()
    assert order.ship_to_name == "second"
    assert _written(order) == [("second", order.fence)]
    wait_until(lambda: nodes.slots() == [], seconds=TTL_SECONDS)
