"""What is wrong with a message, told before any task sees it."""

import json
from typing import Any

import pytest
from kombu.message import Message

from tasks.causes import Cause
from tasks.incoming import delivery_of, fault_of

KNOWN = {"toy.known"}
GOOD: dict[str, Any] = {"task": "toy.known", "id": "f3b0c0de-0000-4000-8000-000000000001"}


def message(body: Any, headers: dict[str, Any], **properties: Any) -> Message:
    raw: Any = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Message(
        body=raw,
        headers=headers,
        content_type=properties.get("content_type", "application/json"),
        content_encoding="utf-8",
        accept={"application/json"},
    )


def test_a_whole_message_of_a_known_task_has_no_fault() -> None:
    assert fault_of(message([[], {"order_id": 1}, {}], GOOD), KNOWN) is None


@pytest.mark.parametrize(
    ("body", "headers", "cause"),
    [
        ([[], {}, {}], {**GOOD, "task": "toy.unknown"}, Cause.UNKNOWN_TASK),
        ([[], {}, {}], {"id": "1"}, Cause.UNDECODABLE),
        ([[], {}, {}], {"task": "toy.known"}, Cause.UNDECODABLE),
        ([[], {}, {}], {**GOOD, "task": 7}, Cause.UNDECODABLE),
        ({"task": "toy.known", "args": []}, GOOD, Cause.UNDECODABLE),
        ([[], {}], GOOD, Cause.UNDECODABLE),
        (["x", {}, {}], GOOD, Cause.UNDECODABLE),
        (b"\xff", GOOD, Cause.UNDECODABLE),
        (b"not gzip", {**GOOD, "compression": "application/x-gzip"}, Cause.UNDECODABLE),
    ],
)
def test_each_fault_has_its_cause(body: Any, headers: dict[str, Any], cause: Cause) -> None:
    fault = fault_of(message(body, headers), KNOWN)

    assert fault is not None
    assert fault.cause == cause


def test_what_its_headers_tell_is_kept_although_the_body_is_broken() -> None:
    told = {"attempt": 3, "subject": "order:4", "trace_id": "t-1"}
    delivery = delivery_of(message(b"{broken", {**GOOD, "outbox": told}), worker="pay@host")

    assert (delivery.task, delivery.subject, delivery.attempt) == ("toy.known", "order:4", 3)
    assert (delivery.trace_id, delivery.worker) == ("t-1", "pay@host")
    assert delivery.kwargs == {"unreadable_body": "{broken"}


def test_a_message_without_an_id_is_named_by_its_content() -> None:
    one, same, other = (delivery_of(message(body, {})) for body in (b"a", b"a", b"b"))

    assert one.message_id == same.message_id
    assert one.message_id != other.message_id
