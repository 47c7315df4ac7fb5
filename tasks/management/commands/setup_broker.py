"""``manage.py setup_broker``: exchanges, queues and policies, as tasks.topology says."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tasks.broker import BrokerUnavailable, declare, put_policies


class Command(BaseCommand):
    help = "Declare exchanges and queues, and put the policies. Safe to run at every start."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            queues = declare()
            policies = put_policies()
        except BrokerUnavailable as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{len(queues)} queues declared, {len(policies)} policies put.")
