"""The rows of the books that wait for something: a shopper, a slow refund, a shop to be told."""

import json
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from ops.sandbox import objects


@dataclass(frozen=True, slots=True)
class PendingRefund:
    refund: str
    outcome: str
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """``tries`` counts the deliveries that came to nothing."""

    number: int
    created: float
    body: str
    tries: int


class WaitingRows:
    """The part of the store that keeps them. Times are in seconds since 1970."""

    _db: sqlite3.Connection
    _announcing: bool

    # -- shoppers at the bank's check -----------------------------------------
    def add_challenge(self, intent_id: str, key: str | None, return_url: str) -> None:
        self._db.execute("INSERT INTO challenges VALUES (?, ?, ?)", (intent_id, key, return_url))

    def challenge(self, intent_id: str) -> tuple[str | None, str]:
        """(idempotency key, return URL); (None, "") when there was none."""
        row = self._db.execute(
            "SELECT idempotency_key, return_url FROM challenges WHERE payment_intent = ?",
            (intent_id,),
        ).fetchone()
        return (row["idempotency_key"], row["return_url"]) if row else (None, "")

    # -- refunds that take their time -----------------------------------------
    def add_pending_refund(self, pending: PendingRefund) -> None:
        self._db.execute(
            "INSERT INTO pending_refunds VALUES (?, ?, ?, ?)",
            (pending.refund, pending.outcome, pending.idempotency_key, time.time()),
        )

    def pending_refunds(self, *, begun_before: float) -> list[PendingRefund]:
        rows = self._db.execute(
            "SELECT refund, outcome, idempotency_key FROM pending_refunds WHERE begun <= ?"
            " ORDER BY begun LIMIT 100",
            (begun_before,),
        )
        return [PendingRefund(**dict(row)) for row in rows]

    def remove_pending_refund(self, refund: str) -> None:
        self._db.execute("DELETE FROM pending_refunds WHERE refund = ?", (refund,))

    # -- what the shop is to be told ------------------------------------------
    def announce(self, kind: str, body: objects.ApiObject) -> None:
        """In the transaction of what happened: both are kept, or neither."""
        if not self._announcing:
            return
        event, now = objects.event(kind, body), time.time()
        self._db.execute(
            "INSERT INTO events (id, created, body, due) VALUES (?, ?, ?, ?)",
            (event["id"], now, json.dumps(event), now),
        )

    def due_events(self, *, now: float, limit: int) -> list[WaitingEvent]:
        """Oldest first."""
        rows = self._db.execute(
            "SELECT number, created, body, tries FROM events"
            " WHERE ended IS NULL AND due <= ? ORDER BY number LIMIT ?",
            (now, limit),
        )
        return [WaitingEvent(**dict(row)) for row in rows]

    def end_event(self, number: int, ended: str) -> None:
        """``sent`` or ``given_up``: it is not sent again."""
        self._db.execute("UPDATE events SET ended = ? WHERE number = ?", (ended, number))

    def put_off_event(self, number: int, due: float) -> None:
        self._db.execute(
            "UPDATE events SET tries = tries + 1, due = ? WHERE number = ?", (due, number)
        )

    def event_counts(self) -> dict[str, Any]:
        rows = self._db.execute(
            "SELECT coalesce(ended, 'waiting') AS what, count(*) AS number FROM events GROUP BY 1"
        )
        return {"waiting": 0, "sent": 0, "given_up": 0} | {
            row["what"]: row["number"] for row in rows
        }
