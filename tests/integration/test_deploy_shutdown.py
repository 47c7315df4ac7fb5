"""A worker that a deploy stops ends within a bound, and what it had not finished is handed on."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from celery._state import get_current_app
from django.conf import LazySettings

from orders.models import Order
from tasks import broker, topology
from tasks.models import OutboxMessage
from tasks.relay import Relay
from tests.contract.waiting import wait_until
from tests.integration.shopping import placed
from tests.integration.worker_process import Process, all_ready, worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

TASK, QUEUE, APP = "toy.slow_hand", "orders.payment", "tests.crash.slow_hands"
BOUND_SECONDS = 3.0
# What the last steps of a stop may take on a busy machine.
GRACE_SECONDS = 15.0


@pytest.fixture
def queue(settings: LazySettings) -> Iterator[Any]:
    settings.TASK_QUEUES = {**settings.TASK_QUEUES, TASK: QUEUE}
    broker.declare()
    broker.put_policies()
    with current_app.connection_for_write() as amqp:
        bound: Any = topology.work_queue(QUEUE)(amqp.default_channel)
        bound.purge()
        yield bound
        bound.purge()


@pytest.fixture
def workers(queue: Any, tmp_path: Path) -> Iterator[dict[int, Process]]:
    """Two of them, by the id of their main process."""
    extra = {"WORKER_STOP_SECONDS": str(BOUND_SECONDS), "LOCK_TTL_SECONDS": "2"}
    both = [worker(name, QUEUE, tmp_path, app=APP, **extra) for name in ("ann", "ben")]
    with all_ready(both):
        yield {one.process.pid: one for one in both}


def begin(order: Order, folder: Path, workers: dict[int, Process]) -> Process:
    """Send a task that waits in its middle; the worker that has it."""
    folder.mkdir()
    kwargs = {"order_id": order.pk, "name": "once", "folder": str(folder)}
    with current_app.connection_for_write() as fresh:  # the pool's may be from before an outage
        current_app.send_task(TASK, kwargs=kwargs, queue=QUEUE, retry=False, connection=fresh)
    wait_until((folder / "inside").exists, seconds=30)
    return workers[int((folder / "inside").read_text())]


def written(order: Order) -> int:
    return order.timeline.filter(kind="written").count()


def stop(one: Process) -> float:
    began = time.monotonic()
    one.terminate()
    one.process.wait(timeout=BOUND_SECONDS + GRACE_SECONDS)
    return time.monotonic() - began


def test_a_task_that_ends_in_time_is_finished_and_not_handed_on(
    workers: dict[int, Process], queue: Any, tmp_path: Path
) -> None:
    order = placed()
    holder = begin(order, tmp_path / "work", workers)
    (other,) = (one for one in workers.values() if one is not holder)
    holder.terminate()
    wait_until(lambda: holder.said("Initiating Soft Shutdown"), seconds=10)
    (tmp_path / "work" / "go").touch()
    holder.process.wait(timeout=BOUND_SECONDS + GRACE_SECONDS)

    assert written(order) == 1
    stop(other)
    assert "received" not in other.words()
    assert queue.get(no_ack=True) is None


def test_a_task_that_takes_too_long_is_handed_on_and_done_once_by_another(
    workers: dict[int, Process], tmp_path: Path
) -> None:
    order = placed()
    OutboxMessage.objects.all().delete()
    folder = tmp_path / "work"
    holder = begin(order, folder, workers)
    (other,) = (one for one in workers.values() if one is not holder)
    (folder / "inside").unlink()

    assert stop(holder) < BOUND_SECONDS + GRACE_SECONDS
    assert written(order) == 0

    with closing(Relay(get_current_app())) as relay:

        def taken_over() -> bool:
            # It meets the dead holder's lease at first, and comes back by the outbox.
            relay.run_once()
            return (folder / "inside").exists()

        wait_until(taken_over, seconds=30)
    assert int((folder / "inside").read_text()) == other.process.pid
    (folder / "go").touch()
    wait_until(lambda: written(order) == 1, seconds=30)
    stop(other)
    assert written(order) == 1
