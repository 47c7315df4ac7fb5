"""Who touches the heartbeat inside Celery: a worker's consumer loop, and beat's tick."""

from typing import Any

from celery import bootsteps
from celery.beat import PersistentScheduler
from django.conf import settings

from tasks.heartbeat import TOUCH_EVERY_SECONDS, Heartbeat


class ConsumerHeartbeat(bootsteps.StartStopStep):
    """Touches while the worker's event loop turns, which is what takes messages and settles them.

    The loop stands still while the broker is away; the check knows that.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        heartbeat = Heartbeat(settings.HEARTBEAT_FILE)
        heartbeat.touch()
        self._entry = parent.timer.call_repeatedly(TOUCH_EVERY_SECONDS, heartbeat.touch)

    def stop(self, parent: Any) -> None:
        entry, self._entry = getattr(self, "_entry", None), None
        if entry is not None:
            entry.cancel()


class HeartbeatScheduler(PersistentScheduler):
    """Celery's own scheduler, whose every look at the schedule touches the file."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._heartbeat = Heartbeat(settings.HEARTBEAT_FILE)
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        self._heartbeat.touch()
        return float(super().tick(*args, **kwargs))
