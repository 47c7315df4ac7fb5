"""One daemon thread per process renews all leases."""

import logging
import os
import threading
from weakref import WeakSet

from tasks.clock import SYSTEM_CLOCK
from tasks.locks.held import HeldLease
from tasks.locks.metrics import METRICS

logger = logging.getLogger(__name__)

# A thread without work looks up so often, and goes home after so many looks.
_IDLE_SECONDS = 1.0
_IDLE_LOOKS = 30


class Renewer:
    """Renews what is added until it is discarded or lost. Safe for threads; a forked child starts
    with none of its parent's leases and without a thread."""

    def __init__(self) -> None:
        self.start_afresh()

    def start_afresh(self) -> None:
        self._changed = threading.Condition()
        # Weak, so that a section which a signal tore apart cannot be renewed without its holder.
        self._leases: WeakSet[HeldLease] = WeakSet()
        self._thread: threading.Thread | None = None
        self._wakes_at = 0.0
        self._written_at = 0.0

    def add(self, held: HeldLease) -> None:
        """Renew ``held`` from now on."""
        with self._changed:
            self._leases.add(held)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="lease-renewal", daemon=True)
                self._thread.start()
            elif held.due_at() < self._wakes_at:
                # Waking it for every lease would cost short sections a switch of threads each.
                self._changed.notify()

    def discard(self, held: HeldLease) -> None:
        """Renew ``held`` no more. A renewal under way ends before the lease's release begins."""
        with self._changed:
            self._leases.discard(held)

    def _run(self) -> None:
        idle_looks = 0
        while not self._done(idle_looks):
            for held in self._sleep():
                self._renew(held)
            self._write_metrics()
            idle_looks = 0 if self._leases else idle_looks + 1

    def _done(self, idle_looks: int) -> bool:
        with self._changed:
            if idle_looks < _IDLE_LOOKS or self._leases:
                return False
            # Under the lock, so that a lease added now starts a new thread.
            self._thread = None
            return True

    def _sleep(self) -> list[HeldLease]:
        """Until the first lease is due; those that are."""
        with self._changed:
            now = SYSTEM_CLOCK.monotonic()
            first = min((held.due_at() for held in self._leases), default=now + _IDLE_SECONDS)
            self._wakes_at = min(first, now + _IDLE_SECONDS)
            if self._wakes_at > now:
                self._changed.wait(self._wakes_at - now)
            now = SYSTEM_CLOCK.monotonic()
            return [held for held in self._leases if held.due_at() <= now]

    def _write_metrics(self) -> None:
        """This thread looks up each second while there is anything to tell."""
        now = SYSTEM_CLOCK.monotonic()
        if now - self._written_at < _IDLE_SECONDS:
            return
        self._written_at = now
        try:
            METRICS.flush()
        except Exception:  # a full disk must not end the renewals
            logger.exception("lock metrics could not be written")

    def _renew(self, held: HeldLease) -> None:
        try:
            held.renew()
        except Exception:  # a fault in one renewal must not end all the others
            logger.exception("renewal of lease %r failed", held.key)
            held.lost.set()
        if held.lost.is_set():
            self.discard(held)


RENEWER = Renewer()
os.register_at_fork(after_in_child=RENEWER.start_afresh)
