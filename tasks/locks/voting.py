"""What all attempts of one client have in common: what they ask for, and what is made of votes."""

import random
import secrets
from collections.abc import Sequence

from tasks.clock import Clock
from tasks.errors import LeaseBusy, QuorumUnavailable
from tasks.locks.decision import Busy, Won, majority
from tasks.locks.diagnosis import explain_no_quorum
from tasks.locks.lease import Lease
from tasks.locks.limits import (
    CLOCK_ALLOWANCE_SECONDS,
    LONGEST_HOLDER,
    LONGEST_PATIENCE_SECONDS,
    check_key,
    check_ttl,
    drift,
)
from tasks.locks.messages import Acquire, Granted, Place, Release, Reply
from tasks.locks.node import Labelled
from tasks.locks.observer import LockObserver, SilentObserver
from tasks.locks.rounds import AcquireRound, VoteRound
from tasks.locks.wire import entry_of


class Voting:
    """Durations in seconds. Used under the lock of the connections."""

    def __init__(
        self, size: int, max_ttl: float, timeout: float, clock: Clock, observer: LockObserver
    ) -> None:
        self.size = size
        self.timeout = timeout
        self.clock = clock
        self.largest_seen = 0
        self.uniform = random.uniform
        self._max_ttl = max_ttl
        self._majority = majority(size)
        self._observer = None if isinstance(observer, SilentObserver) else observer

    def request(self, key: str, ttl: float, holder: str) -> Acquire:
        """A new attempt, under a nonce of its own. Raises ValueError for a bad key or TTL."""
        check_key(key)
        check_ttl(ttl, self._max_ttl)
        nonce = secrets.token_hex(16)
        return Acquire(key, nonce, round(ttl * 1000), self.proposal(), holder[:LONGEST_HOLDER])

    def stand(self, request: Acquire, since_us: int, bell: str) -> float:
        """Give the attempt a place in the waiting lists; for how many seconds it is good."""
        patience = min(LONGEST_PATIENCE_SECONDS, request.ttl_ms / 4000)
        last_ms = round((self.clock.wall() + patience + CLOCK_ALLOWANCE_SECONDS) * 1000)
        request.place = Place(since_us, entry_of(request, bell, last_ms))
        return patience

    def proposal(self) -> int:
        """The token to ask for: the wall clock in µs, so that order survives the loss of all
        nodes, and past every token seen, so that nodes with different memories agree at once."""
        wall_us = int(self.clock.wall() * 1_000_000)
        # One key's spoilt counter must not make nodes refuse this client for every other key.
        if self.largest_seen > wall_us + CLOCK_ALLOWANCE_SECONDS * 1_000_000:
            return wall_us
        return max(self.largest_seen + 1, wall_us)

    def lease(
        self, attempt: AcquireRound, request: Acquire, ttl: float, started: float, sent: int
    ) -> Lease | None:
        """The lease, if a quorum gave it and it has not ended since ``started``, the monotonic
        time before the first request. ``sent`` is a mask of the nodes that may know it."""
        decision = attempt.decision
        now = self.clock.monotonic()
        valid_until = started + ttl - drift(ttl)
        if type(decision) is not Won or now >= valid_until:
            self._note(attempt.answers)
            return None
        self.largest_seen = max(self.largest_seen, decision.token)
        entry = request.place.entry if request.place else ""
        return Lease(
            request.key, request.nonce, decision.token, ttl, valid_until, now, sent, entry=entry
        )

    def refusal(
        self, attempt: AcquireRound, key: str, nodes: Sequence[Labelled]
    ) -> LeaseBusy | QuorumUnavailable:
        """What an attempt without a lease has to say."""
        if isinstance(attempt.decision, Busy):
            return LeaseBusy(key, attempt.decision.retry_after)
        return QuorumUnavailable(explain_no_quorum(nodes, attempt.answers))

    def give_back(self, request: Acquire) -> Release:
        """What must follow the request wherever it was sent, when it came to nothing."""
        entry = request.place.entry if request.place else ""
        return Release(request.key, request.nonce, self.proposal(), entry)

    def tell(
        self, operation: str, outcome: str, started: float | None, done: AcquireRound | VoteRound
    ) -> None:
        """A round that began at monotonic ``started`` has ended now. None: it may have ended long
        ago."""
        if self._observer is not None:
            self._observer.round_done(
                operation,
                outcome,
                None if started is None else self.clock.monotonic() - started,
                second_round=done.confirmed,
                margin=done.votes - self._majority,
            )

    def _note(self, answers: Sequence[Reply | None]) -> None:
        seen = [answer.counter for answer in answers if isinstance(answer, Granted)]
        self.largest_seen = max(self.largest_seen, *seen, 0)
