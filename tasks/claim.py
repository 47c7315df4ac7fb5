"""The rows of the outbox as a relay takes them. Raw SQL: a start that moves, rows made without the
ORM's detours (half the time of a claim), deletes that do not first collect what they could reach.

A table used as a queue has a well-known illness: deleted rows stay in the index until a vacuum, and
whoever looks for the oldest row walks over all of them, so a large backlog drains ever more slowly.
So a relay that works through a backlog goes on behind the last row that it took. Rows that it left
behind (locked by another relay, refused, or committed late with an earlier time) are found because
the start is forgotten every second, and as soon as a batch is not full.
"""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from tasks.clock import SYSTEM_CLOCK, Clock
from tasks.models import OutboxMessage

_FORGET_SECONDS = 1.0
_TABLE = OutboxMessage._meta.db_table

# min() reads one entry of the index. One statement outside a transaction: one round trip.
_NEXT = f"SELECT extract(epoch FROM min(not_before) - clock_timestamp()) FROM {_TABLE}"  # noqa: S608  # no input

# The settings last until the end of the transaction. The planner must walk the index whatever the
# statistics of a table that is empty now and huge a minute later make it believe. And a delete that
# a crash of PostgreSQL forgets is published twice, which is allowed, so nobody waits for the disk.
_SETTINGS = (
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;"
    " SET LOCAL enable_sort = off; SET LOCAL synchronous_commit = off;"
)
_FIELDS = [field.attname for field in OutboxMessage._meta.concrete_fields]
_CLAIM = f"""{_SETTINGS}
SELECT {", ".join(_FIELDS)} FROM {_TABLE}
WHERE not_before <= statement_timestamp() AND (not_before, id) > (%s::timestamptz, %s)
AND NOT task = ANY(%s)
ORDER BY not_before, id LIMIT %s FOR UPDATE SKIP LOCKED
"""  # noqa: S608  # no input
_DELETE = f"DELETE FROM {_TABLE} WHERE id = ANY(%s::uuid[])"  # noqa: S608  # no input

_START: tuple[datetime | str, UUID] = ("-infinity", UUID(int=0))


class Claim:
    """One relay's place in the outbox. Not thread-safe."""

    def __init__(self, batch_size: int, clock: Clock = SYSTEM_CLOCK) -> None:
        self._batch_size = batch_size
        self._clock = clock
        self._after = _START
        self._forget_at = 0.0

    def next_due_seconds(self) -> float | None:
        """Until the earliest row is due: 0 or less when it is, None when there is no row."""
        with connection.cursor() as cursor:
            cursor.execute(_NEXT)
            (seconds,) = cursor.fetchone()
        return None if seconds is None else float(seconds)

    def take(self, without_tasks: Collection[str] = ()) -> list[OutboxMessage]:
        """Lock and return due rows, the oldest first; call it inside a transaction.

        Empty means that no due row is free, wherever the last batch has ended.
        """
        now = self._clock.monotonic()
        if now >= self._forget_at:
            self._after, self._forget_at = _START, now + _FORGET_SECONDS
        rows = self._rows(without_tasks)
        if not rows and self._after is not _START:
            self._after = _START
            rows = self._rows(without_tasks)
        full = len(rows) == self._batch_size
        self._after = (rows[-1].not_before, rows[-1].pk) if full else _START
        return rows

    def _rows(self, without_tasks: Collection[str]) -> list[OutboxMessage]:
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, [*self._after, list(without_tasks), self._batch_size])
            return [_message(row) for row in cursor.fetchall()]


def _message(row: tuple[Any, ...]) -> OutboxMessage:
    message = OutboxMessage.from_db(connection.alias, _FIELDS, row)
    message.kwargs = json.loads(message.kwargs)  # Django's cursor leaves JSON as text
    return message


def delete(message_ids: Collection[UUID]) -> None:
    """Delete rows that ``take`` has locked in this transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_DELETE, [[str(message_id) for message_id in message_ids]])
