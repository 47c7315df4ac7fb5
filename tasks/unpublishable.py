"""A message that no broker will ever take, put where people look."""

from tasks.models import DeadLetter, OutboxMessage


def keep_unpublishable(message: OutboxMessage, error_class: str, reason: str) -> None:
    """Write the dead letter. Call it in the transaction that deletes the row of the outbox."""
    DeadLetter.objects.get_or_create(
        message_id=message.pk,
        defaults={
            "task": message.task,
            "kwargs": message.kwargs,
            "subject": message.subject,
            "attempt": message.attempt,
            "error_class": error_class,
            "error": reason,
            "trace_id": message.trace_id,
            "first_enqueued_at": message.first_enqueued_at,
        },
    )
