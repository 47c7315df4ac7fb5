"""The platform's own periodic tasks."""

from typing import Any

from tasks import dead_queues
from tasks.base import platform_task
from tasks.locks.held import HeldLease


@platform_task("tasks.collect_dead_letters", lease_key="sweep:dead_letters", periodic=True)
def collect_dead_letters(*, lease: HeldLease, **_: Any) -> None:
    dead_queues.collect()
