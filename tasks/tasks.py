"""The platform's own periodic tasks."""

from typing import Any

import structlog
from django.conf import settings

from tasks import dead_queues, pruning
from tasks.backlog import outbox_backlog
from tasks.base import platform_task
from tasks.locks.held import HeldLease

log = structlog.get_logger(__name__)


@platform_task("tasks.collect_dead_letters", lease_key="sweep:dead_letters", periodic=True)
def collect_dead_letters(*, lease: HeldLease, **_: Any) -> None:
    dead_queues.collect()


@platform_task("tasks.watch_outbox", lease_key="sweep:watch_outbox", periodic=True)
def watch_outbox(*, lease: HeldLease, **_: Any) -> None:
    backlog = outbox_backlog()
    if backlog.oldest_seconds > settings.OUTBOX_OLD_SECONDS:
        log.error("outbox_is_old", due=backlog.due, oldest_seconds=round(backlog.oldest_seconds, 1))


@platform_task("tasks.prune_old_rows", lease_key="sweep:prune_old_rows", periodic=True)
def prune_old_rows(*, lease: HeldLease, **_: Any) -> None:
    pruning.prune()
