"""``manage.py relay``: hand the outbox to RabbitMQ until stopped."""

import signal
from typing import Any

from celery._state import get_current_app
from django.core.management.base import BaseCommand

from tasks.metrics import exporter
from tasks.metrics.relay import RelayMetrics
from tasks.relay import Relay


class Command(BaseCommand):
    help = "Publish outbox messages to the broker until SIGTERM. Any number may run side by side."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        relay = Relay(get_current_app(), observer=RelayMetrics())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: relay.stop())
        exporter.serve_if_wanted()
        relay.run()
