"""PostgreSQL's session advisory lock: one server, a fair queue, no lease and no quorum."""

import hashlib
from collections.abc import Sequence

import psycopg2
from psycopg2 import errors

from ops.bench.contenders.base import Contender


class AdvisoryLock(Contender):
    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__(urls)
        self._connection = psycopg2.connect(self.urls[0])
        self._connection.autocommit = True
        self._cursor = self._connection.cursor()
        self._timeout_ms = 0

    def acquire(self, key: str, timeout: float) -> object | None:
        if self._timeout_ms == 0:
            # Once, so that the peer is not charged for our bounded waiting.
            self._timeout_ms = max(1, round(timeout * 1000))
            self._cursor.execute("SET lock_timeout = %s", [self._timeout_ms])
        number = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=7).digest(), "big")
        try:
            self._cursor.execute("SELECT pg_advisory_lock(%s)", [number])
        except errors.LockNotAvailable:
            return None
        return number

    def release(self, held: object) -> None:
        self._cursor.execute("SELECT pg_advisory_unlock(%s)", [held])
