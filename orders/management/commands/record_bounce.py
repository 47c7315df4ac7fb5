"""``manage.py record_bounce``: for a mail server's pipe, or by hand."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders.models import Notification
from orders.services.notification import record_bounce


class Command(BaseCommand):
    help = "Write down that a mail came back, so that the staff see it. Sends nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--message-id", required=True, help="of the mail that bounced")
        parser.add_argument("--reason", required=True, help="what its mail server said")

    def handle(self, *, message_id: str, reason: str, **_: Any) -> None:
        try:
            notification = record_bounce(message_id, reason)
        except ValueError:
            raise CommandError(
                f"{message_id!r} is no Message-ID of this shop. It looks like "
                "<1b4e28ba-2fa1-11d2-883f-0016d3cca427@shop.example>."
            ) from None
        except Notification.DoesNotExist:
            raise CommandError(f"This shop has sent no mail {message_id!r}.") from None
        self.stdout.write(f"{notification}: {notification.get_status_display()}.")
