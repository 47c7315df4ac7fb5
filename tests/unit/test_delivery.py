"""A header that is missing or strange must not lose the message."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.delivery import HEADER, headers_for, read_delivery
from tasks.models import OutboxMessage


def test_what_the_relay_writes_a_worker_reads() -> None:
    first = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
    message = OutboxMessage(
        task="orders.capture_payment",
        kwargs={"order_id": 1},
        subject="order:1",
        attempt=3,
        schema_version=2,
        trace_id="abc",
        first_enqueued_at=first,
        not_before=first + timedelta(seconds=30),
    )

    delivery = read_delivery(
        str(message.pk), message.task, message.kwargs, headers_for(message)[HEADER]
    )

    assert (delivery.attempt, delivery.subject, delivery.trace_id) == (3, "order:1", "abc")
    assert delivery.schema_version == 2
    assert delivery.age_seconds(first + timedelta(seconds=90)) == 90
    assert delivery.uuid() == message.pk
    assert delivery.due_at == message.not_before.timestamp()
    assert delivery.published_at is not None


@pytest.mark.parametrize(
    "header",
    [
        None,
        "text",
        [],
        {"attempt": "many", "first_enqueued_at": "yesterday"},
        {"attempt": -3, "first_enqueued_at": None, "schema_version": "new"},
        {"attempt": 0, "first_enqueued_at": "2026-13-45T99:00:00Z", "unknown": {}},
        {"first_enqueued_at": "2026-11-01T12:00:00", "due_at": 7, "published_at": []},
    ],
)
def test_a_strange_header_reads_as_a_first_attempt(header: Any) -> None:
    delivery = read_delivery("not-a-uuid", "orders.capture_payment", {}, header)

    assert delivery.attempt == delivery.schema_version == 1
    assert delivery.age_seconds() == 0.0
    assert delivery.uuid() is None
    assert (delivery.due_at, delivery.published_at) == (None, None)
