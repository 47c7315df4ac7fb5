"""One trace id from the checkout request to the mail, on every log line in between.

The id is born with the web request, travels in the outbox row and the message header, and is bound
again when a worker takes the message.
"""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars, get_contextvars, merge_contextvars

_SHARED: list[structlog.typing.Processor] = [
    merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure() -> None:
    """Route structlog through the standard library, whose handlers the settings name."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def json_formatter() -> logging.Formatter:
    """The formatter of every handler: one JSON object per line, tracebacks inside."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )


def current_trace_id() -> str:
    """The id of the work at hand; empty outside a request or a task."""
    return str(get_contextvars().get("trace_id", ""))


@contextmanager
def traced(trace_id: str, **names: Any) -> Iterator[None]:
    """Bind the id (a new one when empty) and further names to every log line inside."""
    with bound_contextvars(trace_id=trace_id or uuid.uuid4().hex, **names):
        yield
