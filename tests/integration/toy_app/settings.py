"""The project's settings and three additions."""

import os

from celery.schedules import schedule

from config.settings import *  # noqa: F403 - settings are inherited whole
from config.settings import CELERY_BEAT_SCHEDULE as BEATS
from config.settings import INSTALLED_APPS as APPS
from config.settings import TASK_QUEUES as QUEUES

INSTALLED_APPS = [*APPS, "tests.integration.toy_app"]
TASK_QUEUES = {
    **QUEUES,
    "toy_app.grant_gift": "toy.gifts",
    "toy_app.print_card": "toy.cards",
    "toy_app.resume_gifts": "orders.maintenance",
}
CELERY_BEAT_SCHEDULE = {
    **BEATS,
    "toy_app.resume_gifts": {
        "task": "toy_app.resume_gifts",
        "schedule": schedule(run_every=60),
        "options": {"expires": 120},
    },
}
TOY_PRINTER_DIR = os.environ.get("TOY_PRINTER_DIR", "")
