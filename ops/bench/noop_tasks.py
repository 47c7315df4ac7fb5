"""The application's Celery app with two tasks that do nothing, one of them under a lease.

``celery -A ops.bench.noop_tasks worker -Q bench.noop``. Events are off, as they cost the same for
both and would flatter the ratio.
"""

from typing import Any

import django
from django.conf import settings

GUARDED, UNGUARDED, QUEUE = "bench.guarded", "bench.unguarded", "bench.noop"

django.setup()
settings.TASK_QUEUES = {**settings.TASK_QUEUES, GUARDED: QUEUE, UNGUARDED: QUEUE}

from config.celery import app  # noqa: E402 - needs the settings above
from tasks import topology  # noqa: E402
from tasks.base import platform_task  # noqa: E402 - needs the models

__all__ = ["app"]

app.conf.task_queues = topology.queues()
app.conf.worker_send_task_events = False
app.conf.task_track_started = False


@platform_task(GUARDED, lease_key="bench:{number}")
def guarded(*, number: int, **_: Any) -> None:
    """Nothing, as the only one."""


@platform_task(UNGUARDED)
def unguarded(*, number: int, **_: Any) -> None:
    """Nothing."""
