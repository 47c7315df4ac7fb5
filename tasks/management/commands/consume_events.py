"""``manage.py consume_events``: read the event stream for one group until stopped."""

import os
import signal
import threading
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import import_string

from tasks.events.address import BadAddress, check_group
from tasks.events.chosen import chosen_address
from tasks.events.consumer import EventConsumer
from tasks.events.handling import Handler
from tasks.events.sink import BrokerTrouble
from tasks.metrics import exporter
from tasks.metrics.event_lag import LagMetrics

# A handler that hangs is not waited for longer: its event was not finished and comes again.
_STOP_SECONDS = 25.0
_EX_TEMPFAIL = 75


class Command(BaseCommand):
    help = (
        "Hand each event of EVENT_SINK_URL to a handler, until SIGTERM. Several consumers of a "
        "group share its events where the sink can do that, and never count one twice."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--group", required=True, help="who reads; each group sees all events")
        parser.add_argument(
            "--handler",
            help="dotted path of handler(event); default: the group's in settings.EVENT_HANDLERS",
        )
        parser.add_argument(
            "--dead-letters",
            action="store_true",
            help="handle the group's dead letters once more, then end",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        group = options["group"]
        try:
            consumer = EventConsumer(
                chosen_address(),
                check_group(group),
                _handler(group, options["handler"]),
                on_lag=LagMetrics(group),
            )
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: _stop(consumer))
            if options["dead_letters"]:
                counts = consumer.redrive()
                told = ", ".join(f"{count} {done.value}" for done, count in counts.items())
                self.stdout.write(f"Dead letters of {group}: {told}.")
            else:
                exporter.serve_if_wanted()
                consumer.run()
        except (ImproperlyConfigured, BadAddress, BrokerTrouble) as error:
            raise CommandError(str(error)) from error


def _handler(group: str, path: str | None) -> Handler:
    chosen = path or settings.EVENT_HANDLERS.get(group)
    if chosen is None:
        known = ", ".join(sorted(settings.EVENT_HANDLERS))
        raise CommandError(
            f"settings.EVENT_HANDLERS has no handler for '{group}' (it has: {known}). "
            "Name one: --handler package.module.function"
        )
    try:
        handler: Handler = import_string(chosen)
    except ImportError as error:
        raise CommandError(f"The handler {chosen} cannot be imported: {error}") from error
    if not callable(handler):
        raise CommandError(f"The handler {chosen} is no function of one event.")
    return handler


def _stop(consumer: EventConsumer) -> None:
    consumer.stop()
    watchdog = threading.Timer(_STOP_SECONDS, os._exit, [_EX_TEMPFAIL])
    watchdog.daemon = True
    watchdog.start()
