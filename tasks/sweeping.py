"""Sweeps: what stands still is found and tried again, least recently tried first.

Single-flight is a comfort here, not what safety rests on: two sweeps side by side claim different
rows, and what they do to a row must be conditional or idempotent anyway.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import structlog
from django.db import connection, models
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce, Now

from tasks.dead_letters import needs_a_person
from tasks.models import OutboxMessage

log = structlog.get_logger(__name__)

BATCH = 100
# A task may work off two lines within its soft time limit; what is left is the next sweep's.
BUDGET_SECONDS = 30.0


class SweptModel(models.Model):
    """A row that remembers when a sweep last tried to move it on. ``sweep`` alone writes it."""

    swept_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When a sweep last tried to move it on.",
    )

    class Meta:
        abstract = True


Swept = TypeVar("Swept", bound=SweptModel)


def overdue(rows: QuerySet[Swept], *, since: str, after_seconds: float = 0.0) -> QuerySet[Swept]:
    """Those that have stood still for ``after_seconds``, the least recently tried first.

    ``since`` is the column with the time from which a row counts as standing still. Once a sweep
    has tried a row, it counts again from then.
    """
    with connection.cursor() as cursor:
        # Fixed here, by the clock that wrote the columns: what a sweep has tried is behind it.
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    limit = now - timedelta(seconds=after_seconds)
    untried = Q(swept_at=None) | Q(swept_at__lte=limit)
    due = rows.filter(untried, **{f"{since}__lte": limit})
    return due.order_by(Coalesce("swept_at", since), "pk")


def sweep(line: QuerySet[Swept], act: Callable[[Swept], bool]) -> int:
    """Let ``act`` move on each row of the line (``overdue``); how often it returned True.

    A try that raises is logged and costs the others nothing: the claim is committed before it, so
    that the row goes to the end of the line.
    """
    until = time.monotonic() + BUDGET_SECONDS
    moved = 0
    while batch := list(line[:BATCH]):
        moved += sum(_claim(line, row) and _carefully(act, row) for row in batch)
        if len(batch) < BATCH or time.monotonic() > until:
            break
    return moved


def in_hand(subject: str) -> bool:
    """Whether a message about it waits already, or a dead letter that a person must look at."""
    return OutboxMessage.objects.filter(subject=subject).exists() or needs_a_person(subject)


def _claim(line: QuerySet[Swept], row: Swept) -> bool:
    # As we saw it, and still in line: of two sweeps side by side the second finds it claimed, and
    # what has moved on by itself in the meantime needs nobody.
    return line.filter(pk=row.pk, swept_at=row.swept_at).update(swept_at=Now()) == 1


def _carefully(act: Callable[[Swept], bool], row: Swept) -> bool:
    try:
        return act(row)
    except Exception as error:  # logged, and met again by a later sweep
        log.error("sweep_cannot_help", row=f"{type(row).__name__} {row.pk}", exc_info=error)
        return False
