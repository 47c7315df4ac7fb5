"""Declare the lock nodes new, right after starting empty servers for the first time."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tasks.locks.bootstrap import NodeNotNew, mark_ready


class Command(BaseCommand):
    help = (
        "Lets freshly installed lock nodes vote at once instead of after their quarantine. "
        "Refuses when any node has been in use. Never run it for a node that was restarted."
    )
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            mark_ready(settings.LOCK_REDIS_URLS, prefix=settings.LOCK_KEY_PREFIX)
        except NodeNotNew as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{len(settings.LOCK_REDIS_URLS)} lock nodes may vote now.")
