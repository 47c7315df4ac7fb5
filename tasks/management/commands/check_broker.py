"""``manage.py check_broker``: what differs between the broker and tasks.topology."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tasks.broker import BrokerUnavailable, compare


class Command(BaseCommand):
    help = "Compare exchanges, queues, bindings and policies with the code. Exit 1: they differ."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            told = compare()
        except BrokerUnavailable as error:
            raise CommandError(str(error)) from error
        for one in told:
            self.stdout.write(str(one))
        if told:
            raise CommandError(f"{len(told)} differences. 'manage.py setup_broker' mends most.")
        self.stdout.write("The broker is as the code wants it.")
