"""A Celery application with one task that leaves a line in a file, for counting against its lines.

``celery -A tests.integration.counted_worker worker -Q toy.counted``.
"""

import os
from typing import Any

import django
from django.conf import settings

TASK, QUEUE = "toy.counted", "toy.counted"

django.setup()
settings.TASK_QUEUES = {**settings.TASK_QUEUES, TASK: QUEUE}

from config.celery import app  # noqa: E402 - needs the settings above
from tasks import topology  # noqa: E402
from tasks.base import platform_task  # noqa: E402 - needs the models

__all__ = ["app"]

app.conf.task_queues = topology.queues()


@platform_task(TASK)
def leave_a_line(*, path: str, **_: Any) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, b"line\n")
    os.close(file)
