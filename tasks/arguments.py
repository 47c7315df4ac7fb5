"""What may travel as a task's arguments: plain JSON of a bounded size, so that a handler gets
exactly what was enqueued, and PostgreSQL, the broker and every worker can hold it."""

import json
import re
from typing import Any

from django.conf import settings

# PostgreSQL's jsonb has no NUL. An even number of backslashes before it: the escape is real.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class BadArguments(ValueError):
    """The arguments cannot travel. The message names the task and says what to do."""


def check_arguments(task: str, kwargs: dict[str, Any]) -> None:
    """Raises BadArguments unless ``kwargs`` is JSON that comes back equal, and small enough."""
    try:
        text = json.dumps(kwargs, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise BadArguments(
            f"The arguments of {task!r} are not JSON: {error}. "
            "Pass ids and plain values; the handler reads the rest from the database."
        ) from error
    if _NUL.search(text):
        raise BadArguments(f"The arguments of {task!r} hold a NUL, which PostgreSQL cannot store.")
    if not isinstance(kwargs, dict) or json.loads(text) != kwargs:
        raise BadArguments(
            f"The arguments of {task!r} would arrive changed. "
            "Use a dict with text as keys, and lists in place of tuples."
        )
    if size > settings.OUTBOX_MAX_KWARGS_BYTES:
        raise BadArguments(
            f"The arguments of {task!r} are {size:,} bytes of JSON, and "
            f"OUTBOX_MAX_KWARGS_BYTES allows {settings.OUTBOX_MAX_KWARGS_BYTES:,}. "
            "Store the data and pass its id."
        )
