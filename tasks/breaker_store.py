"""Circuit breakers shared between all workers: one row of PostgreSQL each.

PostgreSQL and not the cache: a worker can do nothing without PostgreSQL anyway, so the breaker adds
no server that could be away; its clock is one clock; and a conditional UPDATE counts the failures
of many workers without losing one. A healthy call costs one read by primary key and no write. When
the row cannot be read, calls pass: a breaker saves effort, it must never stop the money.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import structlog
from django.db import Error as DatabaseTrouble
from django.db.models import F
from django.db.models.functions import Now

from tasks import breaker as decision
from tasks.breaker import Admission, BreakerPolicy, Circuit, Pass, Refuse, Status
from tasks.errors import BreakerOpen
from tasks.models import BreakerState
from tasks.storable import storable

log = structlog.get_logger(__name__)

# How often a worker tries to write between the writes of others before it lets its own go.
_ROUNDS = 10
_FIELDS = ("status", "failures", "failing_since", "until", "probes", "successes", "generation")
# Belongs to no generation, so its result changes nothing.
_UNCOUNTED = Pass(-1)
Step = Callable[[Circuit, datetime], Circuit]


@dataclass(frozen=True, slots=True)
class BreakerSeen:
    """One breaker for metrics and pages. ``until``: see ``BreakerState``."""

    name: str
    status: Status
    failures: int
    until: datetime | None


class Breaker:
    """``with Breaker("payment.capture", sick=…).call(): …`` around one call of another side.

    ``sick`` looks at the error that the call raised: True, the other side is sick (no answer, no
    connection, a 5xx, too many requests); False, it answered, though not as we wished; None, the
    error is our own and says nothing. Never use it inside a transaction: its writes must be seen
    by all at once.
    """

    def __init__(
        self,
        name: str,
        *,
        sick: Callable[[Exception], bool | None],
        policy: BreakerPolicy | None = None,
    ) -> None:
        self.name = name
        self._sick = sick
        self._policy = policy or BreakerPolicy()

    @contextmanager
    def call(self) -> Iterator[None]:
        """Raises BreakerOpen instead of letting the call through; else what the call raises."""
        passed = self._admit()
        verdict: bool | None = None
        trouble: Exception | None = None
        try:
            yield
            verdict = False
        except Exception as error:
            verdict, trouble = self._sick(error), error
            raise
        finally:
            self._note(passed, verdict, trouble)

    def _admit(self) -> Pass:
        answers: list[Admission] = []

        def ask(circuit: Circuit, now: datetime) -> Circuit:
            after, answer = decision.admit(circuit, self._policy, now)
            answers.append(answer)
            return after

        written = _change(self.name, ask)
        answer = answers[-1] if written else _UNCOUNTED
        if isinstance(answer, Refuse):
            raise BreakerOpen(self.name, answer.retry_after)
        return answer

    def _note(self, passed: Pass, sick: bool | None, trouble: Exception | None) -> None:
        policy = self._policy

        def step(circuit: Circuit, now: datetime) -> Circuit:
            if sick is None:
                return decision.after_nothing(circuit, passed)
            if sick:
                return decision.after_failure(circuit, policy, now, passed)
            return decision.after_success(circuit, policy, passed)

        _change(self.name, step, f"{type(trouble).__name__}: {trouble}" if sick else "")


def breaker_states() -> list[BreakerSeen]:
    """Every breaker that ever counted a failure, by name. Raises django.db.Error."""
    return [
        BreakerSeen(row.name, Status(row.status), row.failures, row.until)
        for row in BreakerState.objects.order_by("name")
    ]


def _change(name: str, step: Step, error: str = "") -> bool:
    """Take the step from the newest state; False when the store is away or too busy."""
    try:
        for _ in range(_ROUNDS):
            if _try(name, step, error):
                return True
    except DatabaseTrouble as trouble:
        log.warning("breaker_store_away", breaker=name, error=str(trouble))
    return False


def _try(name: str, step: Step, error: str) -> bool:
    row = BreakerState.objects.filter(name=name).annotate(now=Now()).first()
    if row is None:
        fresh = Circuit()
        if step(fresh, datetime.now().astimezone()) == fresh:
            return True
        BreakerState.objects.get_or_create(name=name)
        return False
    before = Circuit(**{field: getattr(row, field) for field in _FIELDS})
    before = replace(before, status=Status(row.status))
    after = step(before, row.now)
    if after == before:
        return True
    changes = {**asdict(after), **({"last_error": storable(error)[:300]} if error else {})}
    # Another worker wrote since we read: decide again, on top of what it wrote.
    mine = BreakerState.objects.filter(name=name, revision=row.revision)
    if not mine.update(revision=F("revision") + 1, changed_at=Now(), **changes):
        return False
    if after.status is not before.status:
        log.warning("breaker_changed", breaker=name, was=before.status, now=after.status)
    return True
