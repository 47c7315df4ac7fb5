"""The one interface of every lock."""

from collections.abc import Callable
from typing import Protocol

from tasks.locks.lease import Lease


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

    def let_go(self, lease: Lease, told: Callable[[bool], None]) -> None:
        """As ``release``, for those who need not wait for it: it may return before the lease is
        back, and ``told`` hears later, or never if the process ends, what came of it."""


class ClosableBackend(LockBackend, Protocol):
    def close(self) -> None:
        """Drop the connections. The next call makes new ones."""
