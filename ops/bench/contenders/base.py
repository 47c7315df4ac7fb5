"""What a contender can do."""

import time
from collections.abc import Sequence
from urllib.parse import urlsplit

TTL_SECONDS = 10


class Contender:
    """One lock of one package, in one process. ``urls``: its Redis nodes, or its one database."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = list(urls)

    def acquire(self, key: str, timeout: float) -> object | None:
        """Wait up to about ``timeout`` seconds, in the package's own way; None when not got."""
        raise NotImplementedError

    def release(self, held: object) -> None:
        """Give back what ``acquire`` gave."""
        raise NotImplementedError

    def facts(self) -> dict[str, float]:
        """What one should know about how it was measured, by name."""
        return {}

    def cycles(self, keys: Sequence[str], seconds: float) -> list[float]:
        """Acquire and release free keys in turn for so long; the seconds of each cycle."""
        taken: list[float] = []
        clock, acquire, release = time.perf_counter, self.acquire, self.release
        until = clock() + seconds
        began = clock()
        while began < until:
            held = acquire(keys[len(taken) % len(keys)], 1.0)
            if held is None:
                raise RuntimeError("a free key could not be had")
            release(held)
            ended = clock()
            taken.append(ended - began)
            began = ended
        return taken


def place(url: str) -> tuple[str, int]:
    """Host and port."""
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 6379
