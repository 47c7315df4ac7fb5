"""An event that a group could not handle, with its cause, as it lies beside the stream."""

import base64
import json
import traceback
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.dateparse import parse_datetime

from tasks.events.envelope import NotAnEvent
from tasks.events.sink import Outgoing

_MOST_ERROR = 8_000


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """``body`` is what was received, byte for byte."""

    body: bytes
    failed_at: datetime
    error: str


def wrap(body: bytes, key: str, *, group: str, attempts: int, error: BaseException) -> Outgoing:
    """The message for the dead letters' topic, stream or queue."""
    told = "".join(traceback.format_exception(error))
    letter = {
        "group": group,
        "attempts": attempts,
        "failed_at": datetime.now(UTC).isoformat(),
        "error_class": type(error).__name__,
        "error": told[-_MOST_ERROR:],
        "body": base64.b64encode(body).decode(),
    }
    return Outgoing(uuid.uuid4(), key, json.dumps(letter).encode())


def unwrap(message: bytes) -> DeadEvent:
    """Raises NotAnEvent for bytes that ``wrap`` has not made."""
    try:
        letter = json.loads(message)
        failed_at = parse_datetime(letter["failed_at"])
        if failed_at is None:
            raise NotAnEvent("a dead letter without its time")
        body = base64.b64decode(letter["body"], validate=True)
        return DeadEvent(body, failed_at, str(letter["error"]))
    except (ValueError, TypeError, LookupError) as error:
        raise NotAnEvent(f"not a dead letter ({type(error).__name__}: {error})") from error
