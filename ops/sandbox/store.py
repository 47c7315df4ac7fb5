"""The sandbox's books: one SQLite file whose movements can only be added to.

A movement and the answer kept for its idempotency key are one transaction, forced to disk before
anybody is told, so a kill at any instruction leaves both or neither.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.sandbox.waiting_rows import WaitingRows

_SCHEMA = (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8")
_BUSY_TIMEOUT_MS = 5_000


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered to the first request with a key, and what that request was."""

    fingerprint: str
    status: int
    body: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that moved: ``source`` is the charge or the refund that moved it."""

    kind: str
    amount_cents: int
    currency: str
    payment_intent: str
    source: str
    order_number: str
    payment_id: str
    idempotency_key: str | None


class Store(WaitingRows):
    """Synchronous: a call takes as long as one forced write. For one process, one thread.

    ``announcing``: whether anybody is to be told of what happens; else no events are kept.
    """

    def __init__(self, path: Path, *, announcing: bool = False) -> None:
        self._announcing = announcing
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # -- idempotency ----------------------------------------------------------
    def kept_answer(self, key: str) -> KeptAnswer | None:
        row = self._db.execute(
            "SELECT fingerprint, status, body, request_id FROM answers WHERE idempotency_key = ?",
            (key,),
        ).fetchone()
        return KeptAnswer(**dict(row)) if row else None

    def keep_answer(self, key: str, answer: KeptAnswer) -> None:
        self._db.execute(
            "INSERT INTO answers (idempotency_key, fingerprint, status, body, request_id)"
            " VALUES (?, ?, ?, ?, ?)",
            (key, answer.fingerprint, answer.status, answer.body, answer.request_id),
        )

    def count_ask(self, key: str) -> int:
        """How often this key has been asked for, this time included. Survives a restart."""
        row = self._db.execute(
            "INSERT INTO asks (idempotency_key, times) VALUES (?, 1)"
            " ON CONFLICT (idempotency_key) DO UPDATE SET times = times + 1 RETURNING times",
            (key,),
        ).fetchone()
        return int(row["times"])

    # -- movements ------------------------------------------------------------
    def add_movement(self, movement: Movement) -> None:
        self._db.execute(
            "INSERT INTO movements (kind, amount_cents, currency, payment_intent, source,"
            " order_number, payment_id, idempotency_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                movement.kind,
                movement.amount_cents,
                movement.currency,
                movement.payment_intent,
                movement.source,
                movement.order_number,
                movement.payment_id,
                movement.idempotency_key,
            ),
        )

    def movements(self, *, limit: int | None = None) -> list[dict[str, Any]]:
        """Newest first."""
        rows = self._db.execute(
            "SELECT * FROM movements ORDER BY number DESC LIMIT ?",
            (-1 if limit is None else limit,),
        )
        return [dict(row) for row in rows]

    def moved_cents(self, kind: str, payment_intent: str | None = None) -> int:
        row = self._db.execute(
            "SELECT coalesce(sum(amount_cents), 0) AS cents FROM movements"
            " WHERE kind = ?1 AND (?2 IS NULL OR payment_intent = ?2)",
            (kind, payment_intent),
        ).fetchone()
        return int(row["cents"])

    # -- objects --------------------------------------------------------------
    def put(self, body: dict[str, Any]) -> None:
        """Add or replace an API object; its place in lists stays."""
        self._db.execute(
            "INSERT INTO objects (id, kind, created, payment_intent, body) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (
                body["id"],
                body["object"],
                body["created"],
                body.get("payment_intent"),
                json.dumps(body),
            ),
        )

    def get(self, kind: str, object_id: str) -> dict[str, Any] | None:
        row = self._db.execute(
            "SELECT body FROM objects WHERE kind = ? AND id = ?", (kind, object_id)
        ).fetchone()
        return json.loads(row["body"]) if row else None

    def page(
        self,
        kind: str,
        *,
        limit: int,
        after: str | None,
        payment_intent: str | None,
        created: tuple[int, int],
    ) -> list[dict[str, Any]]:
        """Up to ``limit`` objects, newest first, that come after the object ``after``.

        ``created`` is the first and the last second that count.
        """
        rows = self._db.execute(
            "SELECT body FROM objects WHERE kind = :kind AND created BETWEEN :first AND :last"
            " AND (:after IS NULL OR number < (SELECT number FROM objects WHERE id = :after))"
            " AND (:intent IS NULL OR payment_intent = :intent)"
            " ORDER BY number DESC LIMIT :limit",
            {
                "kind": kind,
                "first": created[0],
                "last": created[1],
                "after": after,
                "intent": payment_intent,
                "limit": limit,
            },
        )
        return [json.loads(row["body"]) for row in rows]
