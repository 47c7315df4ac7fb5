"""redlock-py: the nodes one after the other."""

import importlib
import time
from collections.abc import Sequence
from typing import Any

from ops.bench.contenders.base import TTL_SECONDS, Contender


class RedlockPy(Contender):
    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__(urls)
        self._client: Any = importlib.import_module("redlock").Redlock(self.urls)

    def acquire(self, key: str, timeout: float) -> object | None:
        until = time.monotonic() + timeout
        while True:
            # It gives up after three attempts of its own.
            held: object = self._client.lock(key, TTL_SECONDS * 1000)
            if held:
                return held
            if time.monotonic() > until:
                return None

    def release(self, held: object) -> None:
        self._client.unlock(held)
