"""Writing an event beside the change that it tells of: both commit together, or neither."""

from typing import Any

from django.conf import settings
from django.db import connection

from tasks.event_models import EventMessage, EventStream
from tasks.events import schemas
from tasks.outbox import OutsideTransaction
from tasks.tracing import current_trace_id

# The row stays locked until the commit, so a subject's numbers follow the order of its commits, and
# whoever sees event n committed sees all before it. Two transactions of one subject queue up here.
_NEXT = f"""
    INSERT INTO {EventStream._meta.db_table} AS stream (subject, last_sequence) VALUES (%s, 1)
    ON CONFLICT (subject) DO UPDATE SET last_sequence = stream.last_sequence + 1
    RETURNING last_sequence
"""  # noqa: S608  # no input


def emit(
    event_type: str, *, subject: str, data: dict[str, Any], version: int = 1
) -> EventMessage | None:
    """Write an event inside the caller's transaction; None when no sink is set.

    ``subject`` names what it happened to (``order:42``); the events of a subject reach consumers in
    the order of their commits. ``data`` must fit the schema of the type. A transaction should emit
    for one subject only, as late as it can: another one of the same subject waits for it.
    Raises OutsideTransaction, UnknownEvent, BadEvent.
    """
    if not connection.in_atomic_block:
        raise OutsideTransaction(
            f"emit({event_type!r}) outside a transaction. Put it, together with the change that it "
            "tells of, into transaction.atomic()."
        )
    schemas.ensure_known(event_type, version)
    if not settings.EVENT_SINK_URL:
        return None
    schemas.check(event_type, version, data)
    return EventMessage.objects.create(
        subject=subject,
        sequence=_next_sequence(subject),
        type=event_type,
        version=version,
        data=data,
        trace_id=current_trace_id(),
    )


def _next_sequence(subject: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, [subject])
        (sequence,) = cursor.fetchone()
        return int(sequence)
