"""The proof of the promise: what the database says, against itself and against the provider.

Each rule answers with the things that break it; an empty answer is a kept rule. It may run at any
time, under load as well: all rules read one snapshot of the database.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from django.db import connection, transaction

from orders.gateways.chosen import get_gateway
from orders.gateways.payment import PaymentGateway
from orders.services.audit_books import Books, place, read_books
from orders.services.audit_counts import Tally
from orders.services.audit_faults import TOLD, Difference, Rule, rules
from orders.services.audit_goods import goods_differences, shelf_differences
from orders.services.audit_money import money_differences, stray_differences
from orders.services.audit_progress import progress_differences
from orders.services.audit_scope import Case, Scope, cases
from orders.services.audit_shelf import count_shelf


@dataclass(frozen=True)
class AuditReport:
    """``books_read_at`` and ``snapshot_at`` are the moments that it speaks about."""

    differences: tuple[Difference, ...]
    checked: dict[str, int]
    books_read_at: datetime
    snapshot_at: datetime
    counts: dict[str, int] = field(default_factory=dict)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        return rules(self.differences, self.checked)

    @property
    def ok(self) -> bool:
        """Whether the promise holds. What somebody outside refused breaks no promise of ours."""
        return all(difference.kind.promise == TOLD for difference in self.differences)

    def broken(self, kind: str) -> int:
        """How many breaches there are of one promise: oversold, double_charged or lost."""
        return sum(difference.kind.promise == kind for difference in self.differences)


def audit(
    scope: Scope | None = None,
    *,
    settled: bool = False,
    gateway: PaymentGateway | None = None,
    look: Callable[[Case, list[Difference]], None] | None = None,
    allow: Callable[[int], None] = lambda done: None,
) -> AuditReport:
    """Check every rule for the orders of the scope (None: all of them).

    ``settled``: nothing should be in flight, so what is counts as lost. ``look`` is shown each
    order with its differences. ``allow`` is asked again and again with what was done so far, and
    may raise to end a run that takes too long. Raises what the gateway raises when its ledger
    cannot be read.
    """
    scope = scope or Scope()
    # The provider's ledger is read before the snapshot is taken, never while it is open. What was
    # settled in between is then known here and not yet there, so it is left to the next audit.
    books = read_books(
        gateway or get_gateway(), database_clock(), since=scope.books_since(), allow=allow
    )
    with _snapshot():
        return _compare(scope, books, settled, look, allow)


def _compare(
    scope: Scope,
    books: Books,
    settled: bool,
    look: Callable[[Case, list[Difference]], None] | None,
    allow: Callable[[int], None],
) -> AuditReport:
    now = database_clock()
    placed = place(books)
    tally = Tally()
    differences = list(stray_differences(scope, placed))
    tally.add_strays(scope, placed)
    for number, case in enumerate(cases(scope, books, placed, now=now, settled=settled)):
        allow(number)
        found = [
            *goods_differences(case),
            *money_differences(case),
            *progress_differences(case),
        ]
        tally.add_case(case)
        if look is not None:
            look(case, found)
        differences += found
    shelf = count_shelf(scope)
    for count in shelf:
        differences += shelf_differences(count)
    tally.checked["skus"] = len(shelf)
    return AuditReport(
        tuple(differences), dict(tally.checked), books.read_at, now, tally.named_counts()
    )


@contextmanager
def _snapshot() -> Iterator[None]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def database_clock() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
