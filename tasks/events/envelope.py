"""An event as it travels: JSON, the same for every sink (docs/events/envelope.v1.json)."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime

from tasks.event_models import EventMessage


class NotAnEvent(ValueError):
    """These bytes are no event of ours."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a handler gets. ``sequence`` counts the events of ``subject`` from 1, without gaps."""

    id: UUID
    type: str
    version: int
    subject: str
    sequence: int
    occurred_at: datetime
    trace_id: str
    data: dict[str, Any]


def encode(message: EventMessage) -> bytes:
    """The bytes that leave, plain ASCII."""
    fields = {
        "id": str(message.pk),
        "type": message.type,
        "version": message.version,
        "subject": message.subject,
        "sequence": message.sequence,
        "occurred_at": message.occurred_at.isoformat(),
        "trace_id": message.trace_id,
        "data": message.data,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def decode(body: bytes) -> Event:
    """Unknown fields are ignored, so that old consumers survive new events. Raises NotAnEvent."""
    try:
        fields = json.loads(body)
        occurred_at = parse_datetime(fields["occurred_at"])
        event = Event(
            id=UUID(fields["id"]),
            type=str(fields["type"]),
            version=int(fields["version"]),
            subject=str(fields["subject"]),
            sequence=int(fields["sequence"]),
            occurred_at=occurred_at or _missing("occurred_at"),
            trace_id=str(fields.get("trace_id", "")),
            data=dict(fields["data"]),
        )
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise NotAnEvent(f"not an event ({type(error).__name__}: {error})") from error
    if event.sequence < 1 or not 0 < len(event.subject) <= 80 or event.occurred_at.tzinfo is None:
        raise NotAnEvent("not an event (subject, sequence or time is out of bounds)")
    return event


def _missing(name: str) -> datetime:
    raise ValueError(f"{name} is no date and time")
