"""python-redis-lock, on one node: waiters are woken through a list (BLPOP)."""

import importlib
from collections.abc import Sequence
from typing import Any

import redis

from ops.bench.contenders.base import TTL_SECONDS, Contender


class PythonRedisLock(Contender):
    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__(urls)
        self._client = redis.Redis.from_url(self.urls[0])
        self._make: Any = importlib.import_module("redis_lock").Lock
        self._locks: dict[str, Any] = {}

    def acquire(self, key: str, timeout: float) -> object | None:
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = self._make(self._client, key, expire=TTL_SECONDS)
        # It takes whole seconds, no more than the expiry.
        return lock if lock.acquire(timeout=min(TTL_SECONDS, max(1, int(timeout)))) else None

    def release(self, held: object) -> None:
        held.release()  # type: ignore[attr-defined]  # what acquire gave
