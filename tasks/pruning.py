"""Rows that nobody will ask for again go, in small batches, each a transaction of its own.

What is history is never here: orders, the stock ledger, timelines, who took a lease from whom.
Lease rows of ``tasks.locks.database`` are swept by that backend itself.
"""

import time
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.apps import apps
from django.conf import settings
from django.db.models.functions import Now

log = structlog.get_logger(__name__)

BATCH = 500
# Well within a task's soft time limit; what is left is the next run's.
BUDGET_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Retention:
    """Rows of ``model`` go ``days`` after the time in ``column``; those without a time stay."""

    model: str
    column: str
    days: int


def retentions() -> list[Retention]:
    kept = [Retention("tasks.DeadLetter", "closed_at", settings.DEAD_LETTERS_KEPT_DAYS)]
    if apps.is_installed("django.contrib.sessions"):
        kept.append(Retention("sessions.Session", "expire_date", 0))
    return kept + [Retention(*ours) for ours in settings.RETENTIONS]


def prune() -> int:
    """Delete what is older than its retention; how many rows. Safe side by side with itself."""
    until = time.monotonic() + BUDGET_SECONDS
    gone = 0
    for retention in retentions():
        while time.monotonic() < until:
            looked_at, deleted = _delete_some(retention)
            gone += deleted
            if looked_at < BATCH:
                break
    if gone:
        log.info("pruned", rows=gone)
    return gone


def _delete_some(retention: Retention) -> tuple[int, int]:
    limit = Now() - timedelta(days=retention.days)
    rows = apps.get_model(retention.model)._default_manager.filter(
        **{f"{retention.column}__lt": limit}
    )
    some = list(rows.values_list("pk", flat=True)[:BATCH])
    # Asked again: a session may have been prolonged between the two statements.
    _, by_model = rows.filter(pk__in=some).delete()
    return len(some), by_model.get(retention.model, 0)
