"""The road from the outbox to a handler without a broker: at least once, in any order."""

from functools import cache
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from config.celery import app
from ops.lifecycle.errors import Broken
from ops.lifecycle.leases import PaperLeases
from orders import task_names
from orders.models import Notification
from tasks.base import PlatformTask
from tasks.errors import TaskError
from tasks.models import OutboxMessage
from tasks.outbox import enqueue
from tasks.retry import GiveUp

_MAIL = task_names.SEND_NOTIFICATION


class Messages:
    """Every delay may be over and any message may come next, or twice."""

    def __init__(self, leases: PaperLeases) -> None:
        self._leases = leases
        # Before any thread: two that load them at once get in each other's way.
        self._tasks = _tasks()
        self._handled: list[OutboxMessage] = []

    def waiting(self) -> list[OutboxMessage]:
        """Without those about mails: what is in a mail is not checked here (``send_mails``)."""
        return list(OutboxMessage.objects.exclude(task=_MAIL).order_by("pk"))

    def send_mails(self) -> None:
        """Each mail that has a message is written down as sent, without being rendered."""
        rows = OutboxMessage.objects.filter(task=_MAIL)
        owed = [message.kwargs["notification_id"] for message in rows]
        if owed:
            rows.delete()
            Notification.objects.filter(pk__in=owed).update(
                status=Notification.Status.SENT, sent_at=Now()
            )

    def handled(self) -> list[OutboxMessage]:
        """Those that a broker may deliver once more."""
        return list(self._handled)

    def handle(self, message: OutboxMessage, *, overtake: bool = False) -> str:
        """Take it off the outbox and work it off, as a relay and a worker would. ``overtake``: the
        lease of another worker is taken to have ended. Raises Broken for what would be a dead
        letter: every fault here is one that time mends."""
        OutboxMessage.objects.filter(pk=message.pk).delete()
        self._handled.append(message)
        task = self._tasks[message.task]
        try:
            self._run(task, message.kwargs, overtake=overtake)
        except Exception as error:
            decision = task.policy.decide(error, message.attempt, 0.0)
            if isinstance(decision, GiveUp) or not isinstance(error, TaskError):
                raise Broken(
                    f"{message.task} {message.kwargs}: {type(error).__name__}: {error}"
                ) from error
            self.again(message)
            return f"{message.task} comes back: {type(error).__name__}"
        return f"{message.task} {message.kwargs}"

    def again(self, message: OutboxMessage) -> None:
        """Its worker died: the broker gives it to another one."""
        with transaction.atomic():
            enqueue(message.task, message.kwargs, subject=message.subject)

    def sweep(self, name: str) -> None:
        """A periodic task, run now, beside any other: sweeps must stand that."""
        self._run(self._tasks[name], {}, overtake=True)

    def _run(self, task: PlatformTask, kwargs: dict[str, Any], *, overtake: bool) -> None:
        if task.lease_key is None:
            task.run(**kwargs)
            return
        with self._leases.hold(task.lease_key.render(kwargs), overtake=overtake) as lease:
            task.run(lease=lease, **kwargs)


@cache
def _tasks() -> dict[str, PlatformTask]:
    app.loader.import_default_modules()
    return {name: task for name, task in app.tasks.items() if isinstance(task, PlatformTask)}
