"""A lease in the hands of a running section."""

import logging
import os
import threading

from tasks.clock import Clock
from tasks.errors import LeaseLost
from tasks.locks.backend import LockBackend
from tasks.locks.lease import Lease
from tasks.locks.metrics import LOST_WHILE_HELD, METRICS, RELEASED_LATE

logger = logging.getLogger(__name__)

_TROUBLE = {
    LOST_WHILE_HELD: "was lost before its section ended",
    RELEASED_LATE: "was not known to a majority of nodes any more when it was released",
}


class HeldLease:
    """What ``single_flight`` gives to its block. Safe for threads."""

    def __init__(self, lease: Lease, backend: LockBackend, clock: Clock, max_hold: float) -> None:
        self.lost = threading.Event()
        """Set when the lease is known to be gone. Work in steps can look at it."""
        self._lease = lease
        self._backend = backend
        self._clock = clock
        self._renew_until = clock.monotonic() + max_hold
        self._pid = os.getpid()
        # One of the two comes first, renewal or release; never an extension after the release.
        self._using = threading.Lock()
        self._ended = False
        self._held_seconds = 0.0

    @property
    def key(self) -> str:
        return self._lease.key

    @property
    def token(self) -> int:
        """The fencing token: ``SET fence = token WHERE fence < token`` before the first read."""
        return self._lease.token

    @property
    def remaining(self) -> float:
        """Seconds for which the lease is still valid without a renewal."""
        return self._lease.remaining(self._clock.monotonic())

    def ensure(self) -> None:
        """Raises LeaseLost unless the lease is valid now.

        It can be lost right after, so a write that matters compares the token in the database.
        """
        if os.getpid() != self._pid:
            raise LeaseLost(f"The lease {self.key!r} belongs to the parent process, not to a fork.")
        if self.remaining <= 0:
            self.lost.set()
        if self.lost.is_set():
            raise LeaseLost(f"The lease {self.key!r} was lost. Stop, and let the task run again.")

    def renew(self) -> None:
        """Extend the lease; if that fails it is lost at once."""
        with self._using:
            if self._ended or self.lost.is_set():
                return
            try:
                if self._clock.monotonic() < self._renew_until:
                    self._lease = self._backend.extend(self._lease)
                elif self.remaining <= 0:
                    self.lost.set()
            except LeaseLost as error:
                self.lost.set()
                logger.warning("lease lost while held: %s", error)

    def due_at(self) -> float:
        """Monotonic seconds at which ``renew`` is to be called next."""
        lease = self._lease
        if self._clock.monotonic() >= self._renew_until:
            return lease.valid_until
        return lease.valid_until - lease.ttl * 2 / 3

    def release(self) -> None:
        """Give the lease back, without waiting for the nodes to say so. In a forked child it does
        nothing: the parent is the holder."""
        if os.getpid() != self._pid:
            return
        with self._using:
            self._ended = True
            lost = self.lost.is_set() or self.remaining <= 0
            self._held_seconds = self._clock.monotonic() - self._lease.acquired_at
            METRICS.ended(self.key, self._held_seconds)
            self._backend.let_go(self._lease, _nothing if lost else self._let_go)
        if lost:
            self._tell_of_trouble(LOST_WHILE_HELD)

    def _let_go(self, in_time: bool) -> None:
        if not in_time:
            self._tell_of_trouble(RELEASED_LATE)

    def _tell_of_trouble(self, trouble: str) -> None:
        """What it wrote was judged by the fence; this is for whoever sets the TTL."""
        METRICS.in_trouble(self.key, trouble)
        logger.error(
            "lease %r (token %d) %s; it was held for %.2f s",
            self.key,
            self.token,
            _TROUBLE[trouble],
            self._held_seconds,
        )


def _nothing(_: bool) -> None:
    return
