"""Writing to the outbox: the task and the change that causes it commit together, or not at all."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from tasks.models import OutboxMessage
from tasks.spans import enqueued
from tasks.tracing import current_trace_id


class OutsideTransaction(RuntimeError):
    """``enqueue`` was called with no transaction open: the row could commit without its cause."""


class UnknownTask(ValueError):
    """No queue is set for this task name in ``settings.TASK_QUEUES``."""


def enqueue(
    task: str,
    kwargs: dict[str, Any],
    *,
    subject: str = "",
    delay_seconds: float = 0.0,
    attempt: int = 1,
    reason: str = "",
    trace_id: str | None = None,
    first_enqueued_at: datetime | None = None,
) -> OutboxMessage:
    """Add a message to the outbox inside the caller's transaction.

    ``kwargs`` must be JSON. ``subject`` says what it is about (``order:42``). The delay is counted
    by the database's clock, the same clock that the relay compares with. ``attempt``, ``reason``
    and ``first_enqueued_at`` are carried along by retries. Raises OutsideTransaction, UnknownTask.
    """
    if not connection.in_atomic_block:
        raise OutsideTransaction(
            f"enqueue({task!r}) outside a transaction. Wrap it, together with the change that "
            "causes it, in transaction.atomic()."
        )
    if task not in settings.TASK_QUEUES:
        known = ", ".join(sorted(settings.TASK_QUEUES))
        raise UnknownTask(f"{task!r} has no queue in settings.TASK_QUEUES. Known: {known}.")
    due = Now() + timedelta(seconds=delay_seconds) if delay_seconds > 0 else Now()
    message = OutboxMessage(
        task=task,
        kwargs=kwargs,
        subject=subject[:80],
        attempt=attempt,
        reason=reason[:300],
        trace_id=current_trace_id() if trace_id is None else trace_id,
        not_before=due,
    )
    if first_enqueued_at is not None:
        message.first_enqueued_at = first_enqueued_at
    message.save(force_insert=True)
    enqueued(message)
    return message
