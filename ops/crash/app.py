"""The application's Celery app, whose workers note every message that they have handled.

``celery -A ops.crash.app worker``. The note is written after the task, in a statement of its own: a
worker that is killed in between has not noted, and the broker delivers again.
"""

import os
from typing import Any

import django
from celery.signals import task_postrun
from django.db import connection

from config.celery import app

django.setup()

__all__ = ["app"]


@task_postrun.connect
def note(task_id: str = "", state: str | None = None, **_: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO crash_handled (message_id, state, pid) VALUES (%s, %s, %s)",
            [task_id, state or "", os.getpid()],
        )
