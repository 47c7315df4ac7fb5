"""redis-py's own Lock, on one node."""

from collections.abc import Sequence

import redis
from redis.lock import Lock

from ops.bench.contenders.base import TTL_SECONDS, Contender


class RedisPyLock(Contender):
    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__(urls)
        self._client = redis.Redis.from_url(self.urls[0])
        self._locks: dict[str, Lock] = {}

    def acquire(self, key: str, timeout: float) -> object | None:
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = self._client.lock(key, timeout=TTL_SECONDS)
        return lock if lock.acquire(blocking_timeout=timeout) else None

    def release(self, held: object) -> None:
        held.release()  # type: ignore[attr-defined]  # what acquire gave
