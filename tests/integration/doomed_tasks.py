"""The application's Celery app with a task that ends in every bad way it is told to.

``celery -A tests.integration.doomed_tasks worker -Q orders.payment``
"""

import os
import signal
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from config.celery import app

django.setup()

QUEUE = "orders.payment"
DOOMED = "toy.doomed"
# Known to the worker only when FUTURE says so: the code of tomorrow.
FUTURE = "toy.from_the_future"
QUEUES = dict.fromkeys((DOOMED, FUTURE), QUEUE)
settings.TASK_QUEUES = {**settings.TASK_QUEUES, **QUEUES}

from tasks.base import platform_task  # noqa: E402 - needs the models
from tasks.errors import Permanent, Transient  # noqa: E402
from tasks.retry import Backoff, RetryPolicy  # noqa: E402

__all__ = ["app"]

_HASTY = RetryPolicy(transient=Backoff(attempts=2, base_seconds=0.1, cap_seconds=0.1))


@platform_task(DOOMED, policy=_HASTY)
def doomed(*, folder: str, way: str = "well", **_: Any) -> None:
    """Fails until there is a file 'mended' in ``folder``; then leaves a file 'done'."""
    if not (Path(folder) / "mended").exists():
        if way == "transient":
            raise Transient("the other side is busy")
        if way == "permanent":
            raise Permanent("this can never work")
        if way == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
    (Path(folder) / "done").touch()


if os.environ.get("FUTURE"):

    @platform_task(FUTURE)
    def from_the_future(*, folder: str, **_: Any) -> None:
        (Path(folder) / "done").touch()
