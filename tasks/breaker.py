"""When to stop calling a side that is sick: the decision, pure ('Release It!', M. Nygard, 2007).

closed → open after so many failures with no success among them; open → half open when its time is
over; half open lets a few probes through and closes when they succeed. Each change of state starts
a new generation, and a result counts only in the generation in which its call began: a call that
was on its way when the breaker opened says nothing about the time after.

``tasks.breaker_store`` keeps the state in PostgreSQL and shares it between all workers.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

_FULL_HOUSE_SECONDS = 1.0


class Status(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """``failures`` within ``window_seconds``, uninterrupted by a success, open it for
    ``open_seconds``. Then at most ``probes`` calls run at once until ``closing_successes`` have
    worked. A probe that has said nothing for ``probe_seconds`` is given up: its worker died."""

    failures: int = 5
    window_seconds: float = 60.0
    open_seconds: float = 10.0
    probes: int = 1
    closing_successes: int = 2
    probe_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Circuit:
    """The state of one breaker. ``until`` has a meaning only when it is not closed."""

    status: Status = Status.CLOSED
    failures: int = 0
    failing_since: datetime | None = None
    until: datetime | None = None
    probes: int = 0
    successes: int = 0
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Pass:
    """The call may be made; its result belongs to this generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """No call; ask again after ``retry_after`` seconds."""

    retry_after: float


Admission = Pass | Refuse


def admit(circuit: Circuit, policy: BreakerPolicy, now: datetime) -> tuple[Circuit, Admission]:
    """Whether a call may be made now, and the state after that answer."""
    if circuit.status is Status.CLOSED:
        return circuit, Pass(circuit.generation)
    over = circuit.until is None or now >= circuit.until
    if circuit.status is Status.OPEN:
        if not over:
            return circuit, Refuse(_left(circuit, now))
        probing = Circuit(Status.HALF_OPEN, generation=circuit.generation + 1)
        return _one_probe_more(probing, policy, now)
    if over:
        # No probe came back in time, so their workers are dead: their places are free again.
        return _one_probe_more(replace(circuit, probes=0), policy, now)
    if circuit.probes < policy.probes:
        return _one_probe_more(circuit, policy, now)
    return circuit, Refuse(min(_left(circuit, now), _FULL_HOUSE_SECONDS))


def after_failure(circuit: Circuit, policy: BreakerPolicy, now: datetime, passed: Pass) -> Circuit:
    """The other side showed that it is sick."""
    if passed.generation != circuit.generation:
        return circuit
    if circuit.status is Status.HALF_OPEN:
        return _opened(circuit, policy, now)
    since = circuit.failing_since
    if since is None or now - since > timedelta(seconds=policy.window_seconds):
        circuit = replace(circuit, failures=0, failing_since=now)
    circuit = replace(circuit, failures=circuit.failures + 1)
    return _opened(circuit, policy, now) if circuit.failures >= policy.failures else circuit


def after_success(circuit: Circuit, policy: BreakerPolicy, passed: Pass) -> Circuit:
    """The other side answered, be it with a refusal."""
    if passed.generation != circuit.generation:
        return circuit
    if circuit.status is Status.CLOSED:
        return replace(circuit, failures=0, failing_since=None)
    successes = circuit.successes + 1
    if successes >= policy.closing_successes:
        return Circuit(generation=circuit.generation + 1)
    return replace(circuit, successes=successes, probes=max(0, circuit.probes - 1))


def after_nothing(circuit: Circuit, passed: Pass) -> Circuit:
    """The call ended by a fault of our own: only its place becomes free."""
    if passed.generation != circuit.generation or circuit.status is not Status.HALF_OPEN:
        return circuit
    return replace(circuit, probes=max(0, circuit.probes - 1))


def _opened(circuit: Circuit, policy: BreakerPolicy, now: datetime) -> Circuit:
    return Circuit(
        Status.OPEN,
        failures=circuit.failures,
        failing_since=circuit.failing_since,
        until=now + timedelta(seconds=policy.open_seconds),
        generation=circuit.generation + 1,
    )


def _one_probe_more(
    circuit: Circuit, policy: BreakerPolicy, now: datetime
) -> tuple[Circuit, Admission]:
    until = now + timedelta(seconds=policy.probe_seconds)
    return replace(circuit, probes=circuit.probes + 1, until=until), Pass(circuit.generation)


def _left(circuit: Circuit, now: datetime) -> float:
    return 0.0 if circuit.until is None else max(0.0, (circuit.until - now).total_seconds())
