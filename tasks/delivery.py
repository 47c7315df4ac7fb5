"""What the platform knows about one delivered message."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from tasks.models import OutboxMessage

HEADER = "outbox"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as a worker sees it. ``first_enqueued_at`` is None when beat sent it directly.

    ``due_at`` is by the database's clock, ``published_at`` by the relay's; both in seconds since
    1970, None when not told.
    """

    message_id: str
    task: str
    kwargs: dict[str, Any]
    subject: str = ""
    attempt: int = 1
    schema_version: int = 1
    trace_id: str = ""
    first_enqueued_at: datetime | None = None
    worker: str = ""
    due_at: float | None = None
    published_at: float | None = None

    def age_seconds(self, now: datetime | None = None) -> float:
        if self.first_enqueued_at is None:
            return 0.0
        return ((now or datetime.now(UTC)) - self.first_enqueued_at).total_seconds()

    def uuid(self) -> UUID | None:
        try:
            return UUID(self.message_id)
        except ValueError:
            return None


def headers_for(message: OutboxMessage) -> dict[str, Any]:
    """What travels beside the task's own arguments."""
    return {
        HEADER: {
            "attempt": message.attempt,
            "schema_version": message.schema_version,
            "subject": message.subject,
            "trace_id": message.trace_id,
            "first_enqueued_at": message.first_enqueued_at.isoformat(),
            "due_at": message.not_before.timestamp(),
            "published_at": time.time(),
        }
    }


_at_hand: ContextVar[Delivery | None] = ContextVar("delivery", default=None)


@contextmanager
def at_hand(delivery: Delivery) -> Iterator[None]:
    """``current_delivery`` answers with this one inside."""
    token = _at_hand.set(delivery)
    try:
        yield
    finally:
        _at_hand.reset(token)


def current_delivery() -> Delivery | None:
    """What a handler may want to know of its message, e.g. the schema version; None outside."""
    return _at_hand.get()


def read_delivery(
    message_id: str, task: str, kwargs: Mapping[str, Any], header: Any, worker: str = ""
) -> Delivery:
    """Parse tolerantly: a field that is missing or strange must not lose the message."""
    fields = header if isinstance(header, Mapping) else {}
    return Delivery(
        message_id=message_id,
        task=task,
        kwargs=dict(kwargs),
        subject=str(fields.get("subject", ""))[:80],
        attempt=_from_1(fields.get("attempt")),
        schema_version=_from_1(fields.get("schema_version")),
        trace_id=str(fields.get("trace_id", ""))[:64],
        first_enqueued_at=_moment(fields.get("first_enqueued_at")),
        worker=worker,
        due_at=_seconds(fields.get("due_at")),
        published_at=_seconds(fields.get("published_at")),
    )


def _from_1(value: Any) -> int:
    return value if isinstance(value, int) and value >= 1 else 1


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    # Without a zone it could not be compared with ours.
    return moment if moment.tzinfo else None


def _seconds(value: Any) -> float | None:
    return value if isinstance(value, float) else None
