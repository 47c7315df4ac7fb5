"""``manage.py setup_broker``: exchanges, queues and policies, as tasks.topology says."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tasks.broker import BrokerUnavailable, set_up
from tasks.broker_state import Trouble


class Command(BaseCommand):
    help = (
        "Declare exchanges and queues, put the policies, and say what was changed. "
        "Safe to run at every start. What can only be changed by a person is named."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = set_up()
        except BrokerUnavailable as error:
            raise CommandError(str(error)) from error
        for one in done.made:
            verb = "created" if one.trouble is Trouble.MISSING else "changed"
            self.stdout.write(f"{verb}: {one.kind} {one.name}")
        if not done.made:
            self.stdout.write("Nothing had to be changed.")
        for one in done.left:
            self.stdout.write(f"left as it is: {one}")
        if any(one.trouble is not Trouble.UNKNOWN for one in done.left):
            raise CommandError(
                "What was left cannot be changed in place. Stop the workers, let the queue run "
                "empty, delete it (or the exchange, or the policy that overrides ours) in "
                "RabbitMQ's own pages, and run this again. docs/outbox.md has the steps."
            )
