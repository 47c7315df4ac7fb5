"""A message that no broker will ever take, put where people look."""

from tasks import dead_letters
from tasks.causes import Cause
from tasks.delivery import Delivery
from tasks.models import OutboxMessage

_CAUSES = {
    "Unroutable": Cause.UNROUTABLE,
    "TooLarge": Cause.TOO_LARGE,
    "UnknownTask": Cause.UNKNOWN_TASK,
}


def keep_unpublishable(message: OutboxMessage, error_class: str, reason: str) -> None:
    """Write the dead letter. Call it in the transaction that deletes the row of the outbox."""
    delivery = Delivery(
        message_id=str(message.pk),
        task=message.task,
        kwargs=message.kwargs,
        subject=message.subject,
        attempt=message.attempt,
        trace_id=message.trace_id,
        schema_version=message.schema_version,
        first_enqueued_at=message.first_enqueued_at,
    )
    cause = _CAUSES.get(error_class, Cause.PERMANENT)
    dead_letters.keep(delivery, cause=cause, error_class=error_class, error=reason)
