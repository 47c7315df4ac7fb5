"""redlock-ng, whose blocking client asks the nodes one after the other, its async one at once."""

import asyncio
import importlib
import time
from collections.abc import Sequence
from typing import Any

from ops.bench.contenders.base import TTL_SECONDS, Contender

_TTL_MS = TTL_SECONDS * 1000


class RedlockNg(Contender):
    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__(urls)
        self._client: Any = importlib.import_module("redlock").Redlock(self.urls)

    def acquire(self, key: str, timeout: float) -> object | None:
        until = time.monotonic() + timeout
        while True:
            # It gives up after four attempts of its own.
            held: object | None = self._client.acquire(key, _TTL_MS)
            if held is not None or time.monotonic() > until:
                return held

    def release(self, held: object) -> None:
        self._client.release(held)


class RedlockNgAsync(Contender):
    """Measured inside one event loop, which is what it is made for."""

    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__(urls)
        self._client: Any = importlib.import_module("redlock").AsyncRedlock(self.urls)
        self._loop = asyncio.new_event_loop()

    def cycles(self, keys: Sequence[str], seconds: float) -> list[float]:
        return self._loop.run_until_complete(self._cycles(keys, seconds))

    async def _cycles(self, keys: Sequence[str], seconds: float) -> list[float]:
        taken: list[float] = []
        began = time.perf_counter()
        until = began + seconds
        while began < until:
            held = await self._client.acquire(keys[len(taken) % len(keys)], _TTL_MS)
            if held is None:
                raise RuntimeError("a free key could not be had")
            await self._client.release(held)
            ended = time.perf_counter()
            taken.append(ended - began)
            began = ended
        return taken

    def acquire(self, key: str, timeout: float) -> object | None:
        return self._loop.run_until_complete(self._acquire(key, timeout))

    async def _acquire(self, key: str, timeout: float) -> object | None:
        until = time.monotonic() + timeout
        while True:
            held: object | None = await self._client.acquire(key, _TTL_MS)
            if held is not None or time.monotonic() > until:
                return held

    def release(self, held: object) -> None:
        self._loop.run_until_complete(self._client.release(held))
