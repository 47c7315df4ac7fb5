"""An outbox row as the frames of one Celery message, protocol version 2.

``Celery.send_task`` through kombu and py-amqp makes the same message, at 0.2 to 0.5 ms of this
process for each, mostly for a table of headers that differs in four entries from the one before.
Here that table is encoded once per task, the four entries per message.
``tests/integration/test_envelope.py`` compares the two, header by header.

Frames: AMQP 0-9-1, sections 2.3.5 and 4.2. Message: Celery, 'Message Protocol', version 2.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from amqp import Message, spec
from amqp.serialization import dumps
from celery import Celery
from celery.utils.saferepr import saferepr
from django.conf import settings
from kombu import serialization

from tasks import topology
from tasks.compression import compress
from tasks.delivery import headers_for
from tasks.models import OutboxMessage

_METHOD, _HEADER, _BODY, _END = 1, 2, 3, b"\xce"
_FRAME_OVERHEAD = 8
_REPR_LENGTH = 1024
_OWN_HEADERS = ("id", "root_id", "kwargsrepr")


class Unpublishable(Exception):
    """No broker can ever take this message as it stands. ``kind`` names the class of trouble."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Template:
    """What all messages of one task have in common, encoded."""

    queue: str
    method: bytes
    before_headers: bytes
    headers: bytes
    after_headers: bytes
    reply_to: bytes
    embed: dict[str, Any]


class Envelopes:
    """Not thread-safe. ``app`` gives the protocol's fields; nothing is sent from here."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._templates: dict[str, _Template] = {}

    def queue_of(self, message: OutboxMessage) -> str:
        """Raises Unpublishable for a task that has no queue any more."""
        return self._template(message.task).queue

    def frames(self, message: OutboxMessage, channel: int, frame_max: int) -> bytes:
        """The message as it goes over the wire, mandatory and persistent. Raises Unpublishable."""
        template = self._template(message.task)
        try:
            return _frames(template, message, channel, frame_max)
        except Exception as error:
            raise Unpublishable(
                "NotEncodable", f"It cannot be encoded: {type(error).__name__}: {error}"
            ) from error

    def _template(self, task: str) -> _Template:
        found = self._templates.get(task)
        if found is None:
            queue = settings.TASK_QUEUES.get(task)
            if queue is None:
                raise Unpublishable(
                    "UnknownTask", f"{task!r} has no queue in settings.TASK_QUEUES any more."
                )
            found = self._templates[task] = self._make(task, queue)
        return found

    def _make(self, task: str, name: str) -> _Template:
        declared = self._app.tasks.get(task)
        headers, properties, body, _ = self._app.amqp.create_task_message(
            "",
            task,
            (),
            {},
            time_limit=getattr(declared, "time_limit", None),
            soft_time_limit=getattr(declared, "soft_time_limit", None),
            reply_to=self._app.thread_oid,
            ignore_result=True,
        )
        shared = {key: value for key, value in headers.items() if key not in _OWN_HEADERS}
        queue = topology.work_queue(name)
        # Reserved, exchange, routing key, then the bit 'mandatory': without it a message that no
        # queue takes would be confirmed like any other.
        method = struct.pack(">HH", *spec.Basic.Publish) + dumps(
            "Bssbb", (0, queue.exchange.name, queue.routing_key, True, False)
        )
        content_type, encoding, _ = serialization.dumps({}, "json")
        return _Template(
            queue=name,
            method=method,
            before_headers=dumps("ss", (content_type, encoding)),
            headers=_entries(shared),
            after_headers=dumps("oo", (2, 0)),  # persistent; priority as kombu has it
            reply_to=dumps("s", (properties["reply_to"],)),
            embed=body[2],
        )


# Which of the properties follow, in the order of the specification.
_PRESENT = (
    *("content_type", "content_encoding", "application_headers", "delivery_mode", "priority"),
    *("correlation_id", "reply_to"),
)
_FLAGS = sum(
    1 << (15 - place) for place, (name, _) in enumerate(Message.PROPERTIES) if name in _PRESENT
)


def _frames(template: _Template, message: OutboxMessage, channel: int, frame_max: int) -> bytes:
    if not isinstance(message.kwargs, dict):
        raise TypeError(f"arguments are a {type(message.kwargs).__name__}, not an object")
    text = serialization.dumps(((), message.kwargs, template.embed), "json")[2]
    body, codec = compress(text.encode() if isinstance(text, str) else text)
    message_id = str(message.pk).encode()
    table = b"".join(
        (
            template.headers,
            _entry(b"S", b"id", message_id),
            _entry(b"S", b"root_id", message_id),
            _entry(b"S", b"kwargsrepr", _shown(message.kwargs)),
            _entry(b"S", b"compression", codec.encode()) if codec else b"",
            _entries(headers_for(message)),
        )
    )
    header = b"".join(
        (
            struct.pack(">HHQH", spec.Basic.CLASS_ID, 0, len(body), _FLAGS),
            template.before_headers,
            struct.pack(">I", len(table)),
            table,
            template.after_headers,
            struct.pack("B", len(message_id)),
            message_id,
            template.reply_to,
        )
    )
    most = frame_max - _FRAME_OVERHEAD
    if len(header) > most:
        raise ValueError(f"its headers have {len(header)} bytes and one frame holds {most}")
    chunks = [body[at : at + most] for at in range(0, len(body), most)]
    return b"".join(
        (
            _frame(_METHOD, channel, template.method),
            _frame(_HEADER, channel, header),
            *(_frame(_BODY, channel, chunk) for chunk in chunks),
        )
    )


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + _END


def _entries(table: dict[str, Any]) -> bytes:
    """The entries of an AMQP table without its length, so that tables can be joined.

    py-amqp's writer asks each value for a dozen types; most are text or a table of text.
    """
    parts = []
    for name, value in table.items():
        if type(value) is str:
            parts.append(_entry(b"S", name.encode(), value.encode()))
        elif type(value) is dict:
            parts.append(_entry(b"F", name.encode(), _entries(value)))
        elif type(value) is float:
            parts.append(_moment_entry(name.encode(), value))
        elif type(value) is int:
            parts.append(_number_entry(name, value))  # attempts and versions, mostly 1
        else:
            parts.append(_plain_entries({name: value}))
    return b"".join(parts)


@lru_cache(maxsize=256)
def _number_entry(name: str, value: int) -> bytes:
    return _plain_entries({name: value})


def _moment_entry(name: bytes, value: float) -> bytes:
    return b"".join((struct.pack("B", len(name)), name, b"d", struct.pack(">d", value)))


def _plain_entries(table: dict[str, Any]) -> bytes:
    encoded: bytes = dumps("F", (table,))
    return encoded[4:]


def _entry(kind: bytes, name: bytes, value: bytes) -> bytes:
    """A long text or a table: both are written with their length in four bytes."""
    return b"".join((struct.pack("B", len(name)), name, kind, struct.pack(">I", len(value)), value))


def _shown(kwargs: dict[str, Any]) -> bytes:
    """For people: what Flower and the worker's log show. Plain repr is much cheaper when short."""
    text = repr(kwargs)
    return (text if len(text) <= _REPR_LENGTH else saferepr(kwargs, _REPR_LENGTH)).encode(
        errors="backslashreplace"
    )
