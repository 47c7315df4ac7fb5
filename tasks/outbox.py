"""Writing to the outbox: the task and the change that causes it commit together, or not at all."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from tasks.arguments import check_arguments
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
    not_before: datetime | None = None,
    dedupe_key: str = "",
    schema_version: int = 1,
    attempt: int = 1,
    reason: str = "",
    trace_id: str | None = None,
    first_enqueued_at: datetime | None = None,
) -> OutboxMessage:
    """Add a message to the outbox inside the caller's transaction; the row that stands for it.

    The queue follows from ``settings.TASK_QUEUES``. ``kwargs`` must be JSON. ``subject`` says what
    it is about (``order:42``). ``delay_seconds`` or ``not_before`` (aware) keep it back, by the
    database's clock. ``schema_version`` tells the handler which form the arguments have, from 1.
    ``attempt``, ``reason`` and ``first_enqueued_at`` are carried along by retries.

    ``dedupe_key`` (at most 200 characters): while a message with this key waits in the outbox, a
    second one is the same message. The waiting row is returned, its own arguments and time stand,
    and it is published only after this transaction has ended too, so its handler sees this change.
    No promise beyond the outbox: once a relay has the row in hand, the next is a message of its
    own. So a key saves work; it never replaces an idempotent handler. Whoever enqueues several
    keys in one transaction does so in sorted order, or two transactions can deadlock.

    Raises OutsideTransaction, UnknownTask, BadArguments, ValueError.
    """
    if not connection.in_atomic_block:
        raise OutsideTransaction(
            f"enqueue({task!r}) outside a transaction. Wrap it, together with the change that "
            "causes it, in transaction.atomic()."
        )
    if task not in settings.TASK_QUEUES:
        known = ", ".join(sorted(settings.TASK_QUEUES))
        raise UnknownTask(f"{task!r} has no queue in settings.TASK_QUEUES. Known: {known}.")
    check_arguments(task, kwargs)
    if len(dedupe_key) > OutboxMessage.DEDUPE_KEY_LENGTH:
        raise ValueError(
            f"dedupe_key has {len(dedupe_key)} characters, and {OutboxMessage.DEDUPE_KEY_LENGTH} "
            "are kept. Shorten it; cut off, two keys could become one."
        )
    message = OutboxMessage(
        task=task,
        kwargs=kwargs,
        subject=subject[:80],
        dedupe_key=dedupe_key,
        schema_version=schema_version,
        attempt=attempt,
        reason=reason[:300],
        trace_id=current_trace_id() if trace_id is None else trace_id,
        not_before=_due(delay_seconds, not_before),
    )
    if first_enqueued_at is not None:
        message.first_enqueued_at = first_enqueued_at
    return _join_or_add(message) if dedupe_key else _add(message)


def _due(delay_seconds: float, not_before: datetime | None) -> Any:
    """A moment, or an expression that the database turns into one."""
    if not_before is None:
        return Now() + timedelta(seconds=delay_seconds) if delay_seconds > 0 else Now()
    if delay_seconds:
        raise ValueError("Give delay_seconds or not_before, not both.")
    if not_before.tzinfo is None:
        raise ValueError("not_before has no time zone. Give an aware datetime.")
    return not_before


def _add(message: OutboxMessage) -> OutboxMessage:
    message.save(force_insert=True)
    enqueued(message)
    return message


def _join_or_add(message: OutboxMessage) -> OutboxMessage:
    """The row that waits under this key, ours or an earlier one, locked until we commit.

    FOR KEY SHARE lets others join as well and keeps every relay away, so nobody handles the
    message before our change is visible. A row that is skipped is in a relay's hands: it may have
    been handled already, without our change, so ours goes out as well, without the key.
    """
    OutboxMessage.objects.bulk_create([message], ignore_conflicts=True)
    waiting = OutboxMessage.objects.raw(
        f"SELECT * FROM {OutboxMessage._meta.db_table} WHERE dedupe_key = %s"  # noqa: S608  # no input
        " FOR KEY SHARE SKIP LOCKED",
        [message.dedupe_key],
    )
    for row in waiting:
        if row.pk == message.pk:
            enqueued(message)
        return row
    message.dedupe_key = ""
    return _add(message)
