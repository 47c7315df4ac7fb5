"""The one interface of every lock, and the process's own."""

import os
import threading
from functools import cache
from typing import Protocol

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from tasks.locks.lease import Lease
from tasks.locks.redlock import Redlock


class LockBackend(Protocol):
    """Safe for threads and across a fork. Durations in seconds."""

    def acquire(self, key: str, *, ttl: float, holder: str = "") -> Lease:
        """One attempt, without waiting. ``holder`` says to people who has it. Raises LeaseBusy
        (``retry_after``: the holder's remaining time) or QuorumUnavailable."""

    def extend(self, lease: Lease) -> Lease:
        """The same lease with a full TTL from now. Raises LeaseLost."""

    def release(self, lease: Lease) -> bool:
        """Call it once for every lease, lost ones too. False: it was not ours any more. Never
        raises for faults of nodes."""


_making = threading.Lock()
# A fork must not copy the lock in the hands of a thread that the child does not have.
os.register_at_fork(
    before=_making.acquire, after_in_parent=_making.release, after_in_child=_making.release
)


def get_backend() -> LockBackend:
    """The backend that the settings name: one per process, made on first use, renewed by a fork.

    Raises ImproperlyConfigured.
    """
    with _making:
        return _backend()


def forget_backend() -> None:
    """Close the process's backend; the next ``get_backend`` reads the settings again."""
    with _making:
        if _backend.cache_info().currsize:
            _backend().close()
        _backend.cache_clear()


@cache
def _backend() -> Redlock:
    try:
        return Redlock(
            settings.LOCK_REDIS_URLS,
            prefix=settings.LOCK_KEY_PREFIX,
            max_ttl=settings.LOCK_TTL_SECONDS,
            node_timeout=settings.LOCK_NODE_TIMEOUT_SECONDS,
        )
    except ValueError as error:
        raise ImproperlyConfigured(f"LOCK_REDIS_URLS: {error}") from None
