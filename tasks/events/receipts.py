"""What a group has handled: the memory that makes 'at least once' count once.

A receipt is written in the transaction of what the handler writes, so both are there or neither.
"""

from datetime import timedelta

from django.db import connection
from django.db.models.functions import Now

from tasks.event_models import EventReceipt
from tasks.events.envelope import Event

# Longer than any sink keeps an event by itself (stream_link.RETENTION, Kafka's default of 7 days).
KEPT_DAYS = 60
_PRUNE_BATCH = 1_000

# A second consumer of the group waits here for the first one's commit, and then finds the receipt.
# A dead letter may be handled after all, when it is sent again.
_TAKE = f"""
    INSERT INTO {EventReceipt._meta.db_table} AS mine (group_name, subject, sequence, outcome)
    VALUES (%s, %s, %s, '{EventReceipt.Outcome.HANDLED}')
    ON CONFLICT (group_name, subject, sequence)
    DO UPDATE SET outcome = excluded.outcome, at = now()
    WHERE mine.outcome = '{EventReceipt.Outcome.DEAD}'
"""  # noqa: S608  # no input


def take(group: str, event: Event) -> bool:
    """Write the receipt, in the caller's transaction; False when the event is handled already."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [group, event.subject, event.sequence])
        return bool(cursor.rowcount == 1)


def missing_before(group: str, event: Event) -> range:
    """The numbers between this event and the last one before it that the group knows.

    Empty when there is no gap, and when the group knows no earlier one: it may have begun later.
    """
    if event.sequence == 1:
        return range(0)
    known = (
        EventReceipt.objects.filter(
            group_name=group, subject=event.subject, sequence__lt=event.sequence
        )
        .order_by("-sequence")
        .values_list("sequence", flat=True)
        .first()
    )
    return range(0) if known is None else range(known + 1, event.sequence)


def mark_dead(group: str, event: Event) -> None:
    """The event lies with the dead letters: it is no gap."""
    EventReceipt.objects.get_or_create(
        group_name=group,
        subject=event.subject,
        sequence=event.sequence,
        defaults={"outcome": EventReceipt.Outcome.DEAD},
    )


def prune() -> int:
    """Forget a batch of receipts that no redelivery can ask for any more; how many."""
    old = EventReceipt.objects.filter(at__lt=Now() - timedelta(days=KEPT_DAYS)).values("pk")
    deleted, _ = EventReceipt.objects.filter(pk__in=old[:_PRUNE_BATCH]).delete()
    return deleted
