"""A lock node in memory with the semantics of the scripts, and time moved by hand.

That it answers as the scripts do is shown against real servers in ``test_lock_scripts``.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

from tasks.locks.messages import (
    Acquire,
    Ahead,
    Call,
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


class Slot(NamedTuple):
    owner: str
    until: float
    wanted: bool = False
    """Somebody may be in the waiting list."""


class Counter(NamedTuple):
    value: int
    until: float


@dataclass
class Memory:
    """All that a server forgets when it restarts."""

    marker: tuple[str, float] | None = None
    slots: dict[str, Slot] = field(default_factory=dict)
    counters: dict[str, Counter] = field(default_factory=dict)
    waiting: dict[str, dict[str, int]] = field(default_factory=dict)
    """By key: since when, in µs, by entry."""


class SimulatedNode:
    """``now`` in seconds since 1970 is the node's own clock, set by whoever drives it."""

    def __init__(self, terms: Terms, now: float = 1_700_000_000.0) -> None:
        self.terms = terms
        self.now = now
        self.run_id = "run-0"
        self.memory = Memory()
        self.call: Callable[[str, Call], bool] = lambda _bell, _call: False
        """Tells whoever listens on the bell. False: nobody does."""

    def restart(self, memory: Memory | None = None) -> None:
        """As a new run of the server: empty, or with what an old snapshot remembers."""
        self.run_id = f"run-{int(self.run_id.removeprefix('run-')) + 1}"
        self.memory = memory or Memory()

    def flush(self) -> None:
        self.memory = Memory()

    def snapshot(self) -> Memory:
        return deepcopy(self.memory)

    def mark_new(self) -> None:
        self.memory.marker = (self.run_id, 0.0)

    def owner(self, key: str) -> str | None:
        slot = self.memory.slots.get(key)
        return slot.owner if slot is not None and slot.until > self.now else None

    def counter(self, key: str) -> int:
        counter = self.memory.counters.get(key)
        return counter.value if counter is not None and counter.until > self.now else 0

    def set_counter(self, key: str, value: int) -> None:
        until = self.now + self.terms.retention_ms / 1000
        self.memory.counters[key] = Counter(value, until)

    def apply(self, request: Request, run_id: str) -> Reply:
        if type(request) is Acquire:
            return self._acquire(request, run_id)
        if type(request) is Release:
            return self._release(request, run_id)
        if type(request) is Extend:
            return self._extend(request)
        assert type(request) is Confirm
        return self._confirm(request)

    def _acquire(self, request: Acquire, run_id: str) -> Reply:
        marker = self.memory.marker
        if marker is None or marker[0] != run_id:
            marker = (run_id, self.now + self.terms.quarantine_ms / 1000)
            self.memory.marker = marker
        if self.now < marker[1]:
            return NotReady(marker[1] - self.now)
        self.memory.marker = (run_id, 0.0)
        lead = request.proposal / 1_000_000 - self.now
        if lead > self.terms.lead_ms / 1000:
            return Ahead(lead)
        return self._vote(request)

    def _vote(self, request: Acquire) -> Reply:
        key, place = request.key, request.place
        owner, counter = self.owner(key), self.counter(key)
        if owner == request.nonce:
            return Granted(counter)
        if owner is not None:
            slot, waiting = self.memory.slots[key], self.memory.waiting.setdefault(key, {})
            if place:
                waiting.setdefault(place.entry, place.since_us)
                self.memory.slots[key] = slot._replace(wanted=True)
            return Denied(slot.until - self.now, owner[:8])
        if place:
            self.memory.waiting.get(key, {}).pop(place.entry, None)
        counter = max(counter + 1, request.proposal)
        self._write(key, request.nonce, request.ttl_ms, counter)
        return Granted(counter)

    def _confirm(self, request: Confirm) -> Reply:
        if self.owner(request.key) != request.nonce:
            return Refused()
        if self.counter(request.key) > request.token:
            return Refused()
        self.set_counter(request.key, request.token)
        return Confirmed()

    def _extend(self, request: Extend) -> Reply:
        owner = self.owner(request.key)
        if owner not in (None, request.nonce):
            return Lost()
        wanted = owner is not None and self.memory.slots[request.key].wanted
        counter = max(self.counter(request.key), request.token)
        self._write(request.key, request.nonce, request.ttl_ms, counter, wanted=wanted)
        return Held() if owner else Replanted()

    def _release(self, request: Release, run_id: str) -> Reply:
        key = request.key
        if request.entry:
            self.memory.waiting.get(key, {}).pop(request.entry, None)
        if self.owner(key) != request.nonce:
            return NotOurs()
        slot = self.memory.slots.pop(key)
        if slot.wanted and self.memory.marker == (run_id, 0.0):
            self._hand_over(key, request.proposal)
        return Released()

    def _hand_over(self, key: str, proposal: int) -> None:
        waiting = self.memory.waiting.get(key, {})
        if proposal / 1_000_000 - self.now > self.terms.lead_ms / 1000:
            proposal = 0
        while waiting:
            first = min(waiting, key=lambda entry: (waiting[entry], entry))
            del waiting[first]
            last_ms, bell, ttl_ms, own, nonce, _ = first.split(" ", 5)
            if int(last_ms) < self.now * 1000:
                continue
            counter = max(self.counter(key) + 1, proposal, self._own(own))
            self._write(key, nonce, int(ttl_ms), counter, wanted=True)
            if self.call(bell, Call(0, key, nonce, counter)):
                return
            del self.memory.slots[key]

    def _own(self, proposal: str) -> int:
        """The heir's."""
        return int(proposal)

    def _write(
        self, key: str, owner: str, ttl_ms: int, counter: int, *, wanted: bool = False
    ) -> None:
        self.set_counter(key, counter)
        self.memory.slots[key] = Slot(owner, self.now + ttl_ms / 1000, wanted)
