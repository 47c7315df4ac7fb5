"""pottery's Redlock: a pool of threads for every acquire."""

import importlib
from collections.abc import Sequence
from typing import Any

import redis

from ops.bench.contenders.base import TTL_SECONDS, Contender


class Pottery(Contender):
    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__(urls)
        self._masters = {redis.Redis.from_url(url) for url in urls}
        self._make: Any = importlib.import_module("pottery").Redlock
        self._locks: dict[str, Any] = {}

    def acquire(self, key: str, timeout: float) -> object | None:
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = self._make(
                key=key, masters=self._masters, auto_release_time=TTL_SECONDS
            )
        return lock if lock.acquire(timeout=timeout) else None

    def release(self, held: object) -> None:
        held.release()  # type: ignore[attr-defined]  # what acquire gave
