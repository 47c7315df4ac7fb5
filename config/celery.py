"""The Celery application: settings from Django, queues from tasks.topology."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from tasks import topology
from tasks.heartbeat_celery import ConsumerHeartbeat

app = Celery("soldonce")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Read when they are needed: settings that build on these ones are not complete before.
app.add_defaults(lambda: {"task_queues": topology.queues(), "task_routes": (topology.route,)})
app.steps["consumer"].add(ConsumerHeartbeat)
app.autodiscover_tasks()
