"""A lock node in memory with the semantics of the scripts, and time moved by hand.

That it answers as the scripts do is shown against real servers in ``test_lock_simulation``.
"""

from dataclasses import dataclass, field

from tasks.locks.messages import (
    Acquire,
    Ahead,
    Confirm,
    Confirmed,
    Denied,
    Extend,
    Granted,
    Held,
    Lost,
    NotOurs,
    NotReady,
    Refused,
    Release,
    Released,
    Replanted,
    Reply,
    Request,
)
from tasks.locks.wire import Terms


@dataclass
class Slot:
    owner: str
    until: float


@dataclass
class SimulatedNode:
    """``now`` in seconds since 1970 is set by whoever drives it."""

    terms: Terms
    now: float = 1_700_000_000.0
    run_id: str = "run-0"
    marker: tuple[str, float] | None = None
    slots: dict[str, Slot] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)

    def restart_empty(self) -> None:
        self.run_id = f"run-{int(self.run_id.removeprefix('run-')) + 1}"
        self.marker = None
        self.slots.clear()
        self.counters.clear()

    def mark_new(self) -> None:
        self.marker = (self.run_id, 0.0)

    def owner(self, key: str) -> str | None:
        slot = self.slots.get(key)
        return slot.owner if slot is not None and slot.until > self.now else None

    def apply(self, request: Request, run_id: str) -> Reply:
        match request:
            case Acquire():
                return self._acquire(request, run_id)
            case Confirm():
                return self._confirm(request)
            case Extend():
                return self._extend(request)
            case Release():
                return self._release(request)

    def _acquire(self, request: Acquire, run_id: str) -> Reply:
        if self.marker is None or self.marker[0] != run_id:
            self.marker = (run_id, self.now + self.terms.quarantine_ms / 1000)
        if self.now < self.marker[1]:
            return NotReady(self.marker[1] - self.now)
        lead = request.proposal / 1_000_000 - self.now
        if lead > self.terms.lead_ms / 1000:
            return Ahead(lead)
        owner, counter = self.owner(request.key), self.counters.get(request.key, 0)
        if owner == request.nonce:
            return Granted(counter)
        if owner is not None:
            return Denied(self.slots[request.key].until - self.now, owner[:8])
        self._write(request.key, request.nonce, request.ttl_ms, max(counter + 1, request.proposal))
        return Granted(self.counters[request.key])

    def _confirm(self, request: Confirm) -> Reply:
        if self.owner(request.key) != request.nonce:
            return Refused()
        if self.counters.get(request.key, 0) > request.token:
            return Refused()
        self.counters[request.key] = request.token
        return Confirmed()

    def _extend(self, request: Extend) -> Reply:
        owner = self.owner(request.key)
        if owner not in (None, request.nonce):
            return Lost()
        counter = max(self.counters.get(request.key, 0), request.token)
        self._write(request.key, request.nonce, request.ttl_ms, counter)
        return Held() if owner else Replanted()

    def _release(self, request: Release) -> Reply:
        if self.owner(request.key) != request.nonce:
            return NotOurs()
        del self.slots[request.key]
        return Released()

    def _write(self, key: str, owner: str, ttl_ms: int, counter: int) -> None:
        self.counters[key] = counter
        self.slots[key] = Slot(owner, self.now + ttl_ms / 1000)
