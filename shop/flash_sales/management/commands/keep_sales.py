"""``manage.py keep_sales``: keep flash sales until stopped."""

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shop.flash_sales import log
from shop.flash_sales.gate import GateAway
from shop.flash_sales.keeper import Keeper
from shop.flash_sales.models import FlashSale
from shop.flash_sales.rebuilding import build_gates


class Command(BaseCommand):
    help = "Start, keep and end flash sales until SIGTERM. A second one waits for the first to end."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--rebuild", metavar="SLUG", help="build this sale's gate again from the database, now"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rebuild"]:
            self.stdout.write(_rebuild(options["rebuild"]))
            return
        keeper = Keeper()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: keeper.stop())
        keeper.run()


def _rebuild(slug: str) -> str:
    sale = FlashSale.objects.filter(slug=slug).first()
    if sale is None:
        raise CommandError(f"There is no sale '{slug}'.")
    try:
        built = build_gates(sale)
    except GateAway as error:
        raise CommandError(str(error)) from error
    if not built:
        return "The gate was built by somebody else just now."
    log.record(sale.pk, "gate_built", "The gate was built on request.", actor="staff")
    return "The gate was built."
