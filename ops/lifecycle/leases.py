"""Leases on paper: as exclusive as the real ones, and as easily overtaken."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import cast

from tasks.errors import LeaseBusy
from tasks.locks.held import HeldLease

_tokens = count(1)


class _PaperLease:
    """Its holder never learns that it was overtaken, like one that was paused: only the fence in
    the database can stop it."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.token = next(_tokens)
        self.remaining = 10.0

    def ensure(self) -> None:
        return


class PaperLeases:
    def __init__(self) -> None:
        self._held: dict[str, _PaperLease] = {}

    @contextmanager
    def hold(self, key: str, *, overtake: bool = False) -> Iterator[HeldLease]:
        """Raises LeaseBusy, unless the earlier holder is to be overtaken."""
        if key in self._held and not overtake:
            raise LeaseBusy(key, 1.0)
        lease = self._held[key] = _PaperLease(key)
        try:
            yield cast("HeldLease", lease)
        finally:
            if self._held.get(key) is lease:
                del self._held[key]
