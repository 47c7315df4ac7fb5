"""``manage.py relay_events``: hand events to the sink until stopped."""

import signal
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from tasks.events.chosen import chosen_address, make_sink
from tasks.events.relay import EventRelay


class Command(BaseCommand):
    help = "Send events to EVENT_SINK_URL until SIGTERM. Any number may run side by side."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            sink = make_sink(
                chosen_address(), timeout_seconds=settings.RELAY_CONFIRM_TIMEOUT_SECONDS
            )
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        relay = EventRelay(sink)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: relay.stop())
        relay.run()
