"""What is held about one person: told, or erased, when they ask the staff instead of the page."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from orders.errors import Busy
from shop.accounts.personal_data import (
    account_of,
    erase_person,
    order_count,
    personal_data,
)

_ACTOR = "manage.py personal_data"


class Command(BaseCommand):
    help = (
        "Export or erase everything held about the person with this e-mail address: account, "
        "address book, mails, and orders of the account or of the address. Make sure first that "
        "the person who asks is the owner of the mailbox."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["export", "erase"])
        parser.add_argument("--email", required=True)
        parser.add_argument("--yes", action="store_true", help="erase without asking once more")

    def handle(self, *args: Any, action: str, email: str, yes: bool, **options: Any) -> None:
        account = account_of(email)
        count = order_count(email, account)
        if account is None and not count:
            raise CommandError(f"Nothing is held about {email}. Check how it is spelt.")
        if action == "export":
            held = personal_data(email, account)
            print(json.dumps(held, indent=2, ensure_ascii=False, cls=DjangoJSONEncoder))
            return
        if not yes and not _agreed(email, had_account=account is not None, orders=count):
            raise CommandError("Nothing was erased.")
        try:
            done = erase_person(email, account, actor=_ACTOR)
        except Busy as error:
            raise CommandError(f"{error} Run it again: what is done stays done.") from None
        print(f"Account: {'deleted' if done.had_account else 'there was none'}.")
        for order in done.orders:
            kept = order.kept_because
            print(f"{order.number}: {f'erased once it has ended ({kept})' if kept else 'erased'}.")


def _agreed(email: str, *, had_account: bool, orders: int) -> bool:
    if not sys.stdin.isatty():
        raise CommandError("Erasing cannot be undone: add --yes.")
    what = f"{'the account and ' if had_account else ''}{orders} orders"
    answer = input(f"Erase {what} of {email}? It cannot be undone. Type 'erase': ")
    return answer.strip() == "erase"
