"""What the relay says about a batch that the broker has confirmed."""

import time
from collections.abc import Sequence

import structlog

from tasks.models import OutboxMessage
from tasks.spans import published

log = structlog.get_logger(__name__)


def tell_published(messages: Sequence[OutboxMessage], began_at: float) -> None:
    """One log line for the whole batch, found by the trace id of each message in it: a line for
    each would cost more than publishing it. ``began_at``: seconds since 1970.
    """
    if not messages:
        return
    ended_at = time.time()
    log.info(
        "published",
        messages=len(messages),
        seconds=round(ended_at - began_at, 4),
        trace_ids=sorted({message.trace_id for message in messages if message.trace_id}),
        subjects=sorted({message.subject for message in messages if message.subject}),
    )
    published(messages, began_at, ended_at)
