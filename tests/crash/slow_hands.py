"""The application's Celery app with one more task, for workers that are stopped in its middle.

``celery -A tests.crash.slow_hands worker -Q orders.payment``
"""

import os
import time
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.db import transaction

from config.celery import app

django.setup()
settings.TASK_QUEUES = {**settings.TASK_QUEUES, "toy.slow_hand": "orders.payment"}

from orders.locks import claim_order, fenced_update  # noqa: E402 - needs the models
from orders.services.timeline import record_event  # noqa: E402
from tasks.base import platform_task  # noqa: E402
from tasks.locks.held import HeldLease  # noqa: E402

__all__ = ["app"]

TASK = "toy.slow_hand"
QUEUE = settings.TASK_QUEUES[TASK]
_PATIENCE_SECONDS = 60.0


@platform_task(TASK, lease_key="order:{order_id}")
def slow_hand(*, order_id: int, name: str, folder: str = "", lease: HeldLease, **_: Any) -> None:
    """Claim the order, wait for a word in ``folder`` if there is one, then write ``name`` on it.

    It never asks ``lease.ensure()``: the database alone has to refuse it.
    """
    claim_order(order_id, lease.token)
    if folder:
        _wait_in_the_middle(Path(folder))
    with transaction.atomic():
        fenced_update(order_id, lease.token, where={}, ship_to_name=name)
        record_event(order_id, "written", str(lease.token), actor=name)


def _wait_in_the_middle(folder: Path) -> None:
    """Say which worker this is (its main process), then wait until it may go on."""
    note = folder / "note"
    note.write_text(str(os.getppid()), encoding="utf-8")
    note.rename(folder / "inside")
    until = time.monotonic() + _PATIENCE_SECONDS
    while not (folder / "go").exists() and time.monotonic() < until:
        time.sleep(0.005)
