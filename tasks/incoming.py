"""What can be wrong with a message before any task sees it.

Pure, and asked twice: by the worker before Celery gets the message, and by the collector of the
dead queues, for what a worker rejected and did not live to write down.
"""

import hashlib
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from kombu.message import Message

from tasks.causes import Cause
from tasks.delivery import HEADER, Delivery, read_delivery

_BODY_LENGTH = 10_000
_NO_NAME = "(unknown)"


class NotATask(ValueError):
    """The message is no task message of Celery's protocol 2, the only one that is sent here."""


class NoSuchTask(LookupError):
    """This worker has no task of that name."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why no task will ever see the message as it is."""

    cause: Cause
    error: Exception


def fault_of(message: Message, known: Container[str]) -> Fault | None:
    """None: Celery can take it. ``known`` are the names of the tasks of this process."""
    try:
        if message.errors:  # e.g. a compression that nobody here can undo
            raise message.errors[0][1]
        _check(message.headers or {}, message.decode())
    except Exception as error:  # noqa: BLE001  # decoders raise whatever they like
        return Fault(Cause.UNDECODABLE, error)
    name = (message.headers or {})["task"]
    if name not in known:
        return Fault(
            Cause.UNKNOWN_TASK,
            NoSuchTask(
                f"No task {name!r} in this worker. Deploy the code that has it, or give it to a "
                "queue whose workers do, then redrive."
            ),
        )
    return None


def delivery_of(message: Message, worker: str = "") -> Delivery:
    """What can be told about the message, whatever is wrong with it.

    A body that cannot be read is kept as text. Without a usable id the message is named by its
    content, so that it is one dead letter however often it is seen.
    """
    headers: dict[str, Any] = message.headers if isinstance(message.headers, dict) else {}
    return read_delivery(
        message_id=str(headers.get("id") or _fingerprint(message)),
        task=str(headers.get("task") or _NO_NAME),
        kwargs=_kwargs_of(message),
        header=headers.get(HEADER),
        worker=worker,
    )


def _check(headers: dict[str, Any], payload: Any) -> None:
    for name in ("task", "id"):
        if not isinstance(headers.get(name), str) or not headers[name]:
            raise NotATask(f"The message has no header {name!r}, so it is no task message.")
    match payload:
        case [list() | tuple(), dict(), dict() | None]:
            return
    raise NotATask(
        f"The body is {type(payload).__name__} and not the three parts of a task message: "
        "arguments, keywords, and what comes after."
    )


def _kwargs_of(message: Message) -> dict[str, Any]:
    try:
        if not message.errors:
            _, kwargs, _ = message.decode()
            return dict(kwargs)
    except Exception:  # noqa: BLE001  # decoders raise whatever they like; the text is kept instead
        return {"unreadable_body": _text_of(message)}
    return {"unreadable_body": _text_of(message)}


def _text_of(message: Message) -> str:
    body = message.body
    text = body.decode("utf-8", "backslashreplace") if isinstance(body, bytes) else str(body)
    return text[:_BODY_LENGTH]


def _fingerprint(message: Message) -> str:
    body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
    return hashlib.sha256(body).hexdigest()
