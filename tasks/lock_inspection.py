"""Looking at live leases, and taking one from its holder."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import structlog

from tasks.errors import TaskError
from tasks.models import LockRelease

log = structlog.get_logger(__name__)


class LeaseSeen(Protocol):
    """One lease as its backend sees it."""

    @property
    def key(self) -> str: ...
    @property
    def nonce(self) -> str: ...
    @property
    def token(self) -> int: ...
    @property
    def remaining_seconds(self) -> float: ...
    @property
    def holder(self) -> str:
        """What was given to ``acquire``: read it with ``Holder.parse``."""

    @property
    def nodes(self) -> Sequence[str]:
        """Who has it; empty for a backend without nodes."""

    @property
    def waiting(self) -> int:
        """How many wait for the key, as far as it is known."""


@runtime_checkable
class InspectableBackend(Protocol):
    """A backend that can tell what it holds."""

    def leases(self) -> Sequence[LeaseSeen]:
        """What is held now. Raises TaskError when it cannot be known."""

    def force_release(self, key: str, nonce: str) -> bool:
        """Take the lease with exactly this nonce away. False: it was gone already, or too few
        nodes answered."""


class LeaseGone(TaskError):
    """The lease ended, or changed hands, since somebody looked at it."""


def find(backend: InspectableBackend, key: str, nonce: str) -> LeaseSeen:
    """The live lease with this key and nonce. Raises LeaseGone."""
    for lease in backend.leases():
        if (lease.key, lease.nonce) == (key, nonce):
            return lease
    raise LeaseGone(f"The lease {key!r} has ended or changed hands. There is nothing to release.")


def force_release(backend: InspectableBackend, lease: LeaseSeen, *, by: str, reason: str) -> bool:
    """Take the lease from its holder and write down who did it and why. True: it is free.

    The wish is committed before anything is done, so that no release can go unrecorded.
    """
    _record(LockRelease.Event.ASKED, lease, by, reason)
    done = backend.force_release(lease.key, lease.nonce)
    _record(LockRelease.Event.RELEASED if done else LockRelease.Event.GONE, lease, by, reason)
    log.warning("lease_taken_away", key=lease.key, token=lease.token, by=by, done=done)
    return done


def _record(event: LockRelease.Event, lease: LeaseSeen, by: str, reason: str) -> None:
    LockRelease.objects.create(
        event=event,
        by=by[:150],
        key=lease.key[:200],
        nonce=lease.nonce[:64],
        token=lease.token,
        holder=lease.holder[:300],
        reason=reason[:300],
    )
