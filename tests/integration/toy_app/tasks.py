"""Each task parses its message and calls one service."""

from typing import Any

from tasks.base import platform_task
from tasks.locks.held import HeldLease
from tests.integration.toy_app import services, task_names


@platform_task(task_names.GRANT, lease_key="gift:{gift_id}")
def grant_gift(*, gift_id: int, lease: HeldLease, **_: Any) -> None:
    services.grant_gift(gift_id, lease)


@platform_task(task_names.PRINT, lease_key="gift:{gift_id}")
def print_card(*, gift_id: int, lease: HeldLease, **_: Any) -> None:
    services.print_card(gift_id, lease)


@platform_task(task_names.RESUME, lease_key="sweep:resume_gifts", periodic=True)
def resume_gifts(*, lease: HeldLease, **_: Any) -> None:
    services.resume_gifts(after_seconds=120)
