"""``manage.py dead_letters``: list, show, redrive and discard from a terminal or a script."""

import getpass
import json
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseTrouble
from django.db.models import QuerySet

from tasks import dead_letters
from tasks.causes import Cause
from tasks.models import DeadLetter

# What ``list --json`` tells of each letter; ``show --json`` tells all.
_BRIEF = (
    *("id", "status", "cause", "task", "subject", "error_class", "attempt", "times_seen"),
    *("dead_at", "last_seen_at"),
)
_NOTHING = 3
_SOME_REFUSED = 4


class Command(BaseCommand):
    help = (
        "What ended badly, and what to do with it. Exit code 0: done. 1: an error, told in words. "
        "2: wrong arguments. 3: no letter matched. 4: some were not open or cannot be sent again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
        listing = verbs.add_parser("list", help="one line each, newest last")
        _add_filters(listing)
        status = [*DeadLetter.Status.values, "any"]
        listing.add_argument("--status", choices=status, default=DeadLetter.Status.OPEN)
        listing.add_argument("--limit", type=_positive(int), default=100, help="default 100")
        listing.add_argument("--json", action="store_true", help="one JSON object a line")
        show = verbs.add_parser("show", help="everything about one letter")
        show.add_argument("id", type=int)
        show.add_argument("--json", action="store_true", help="one JSON object")
        redrive = verbs.add_parser("redrive", help="send again, through the outbox")
        redrive.add_argument(
            "--rate", type=_positive(float), default=10.0, help="how many a second (default 10)"
        )
        redrive.add_argument("--reason", default="", help="what was mended")
        discard = verbs.add_parser("discard", help="close for good")
        discard.add_argument("--reason", required=True, help="why the work is not to be done")
        for parser_of_many in (redrive, discard):
            parser_of_many.add_argument("id", type=int, nargs="*")
            parser_of_many.add_argument(
                "--all", action="store_true", help="every open one that the filters choose"
            )
            parser_of_many.add_argument("--by", default=_me(), help="who does it (default: you)")
            _add_filters(parser_of_many)

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            match verb:
                case "list":
                    self._list(**options)
                case "show":
                    self._show(**options)
                case _:
                    self._act(verb, **options)
        except DatabaseTrouble as error:
            raise CommandError(f"PostgreSQL does not answer: {error}") from error

    def _list(self, *, status: str, limit: int, **options: Any) -> None:
        letters = _chosen(options)
        if status != "any":
            letters = letters.filter(status=status)
        found = letters.order_by("last_seen_at", "pk")
        for letter in found[:limit]:
            brief = {name: getattr(letter, name) for name in _BRIEF}
            self.stdout.write(json.dumps(brief, default=str) if options["json"] else _line(letter))
        left = found.count() - limit
        if left > 0:
            self.stderr.write(f"{left} more; --limit shows them.")

    def _show(self, *, id: int, **options: Any) -> None:  # noqa: A002 - the argument's own name
        letter = DeadLetter.objects.filter(pk=id).first()
        if letter is None:
            raise CommandError(f"There is no dead letter {id}.", returncode=_NOTHING)
        known = {field.attname: getattr(letter, field.attname) for field in letter._meta.fields}
        known["actions"] = list(letter.actions.values("at", "verb", "by", "reason", "sent_as"))
        if options["json"]:
            self.stdout.write(json.dumps(known, default=str))
            return
        for name, value in known.items():
            if name not in ("error", "actions"):
                self.stdout.write(f"{name:<18} {value}")
        for done in known["actions"]:
            self.stdout.write(
                f"{done['at']:%Y-%m-%d %H:%M:%S}  {done['verb']} by {done['by']}: "
                f"{done['reason'] or 'no reason given'}"
            )
        self.stdout.write(f"\n{letter.error}")

    def _act(self, verb: str, **options: Any) -> None:
        ids: list[int] = options["id"]
        if bool(ids) == options["all"]:
            raise CommandError(
                f"Say which: 'dead_letters {verb} 12 15', or 'dead_letters {verb} --all', which "
                "takes filters like --cause exhausted.",
                returncode=2,
            )
        if options["all"]:
            chosen = _chosen(options).filter(status=DeadLetter.Status.OPEN)
            ids = list(chosen.order_by("pk").values_list("pk", flat=True))
        elif any(options[name] for name in ("cause", "task", "subject", "error_class")):
            raise CommandError("Filters go with --all, not with numbers.", returncode=2)
        if not ids:
            raise CommandError("No open dead letter matches.", returncode=_NOTHING)
        by, reason = options["by"], options["reason"].strip()
        if verb == "discard" and not reason:
            raise CommandError("--reason is empty. It is kept for ever: say why.", returncode=2)
        if verb == "redrive":
            rate = options["rate"]
            done = dead_letters.redrive_many(ids, by=by, rate_per_second=rate, reason=reason)
        else:
            done = dead_letters.discard_many(ids, by=by, reason=reason)
        self.stdout.write(f"{done.closed} {'sent again' if verb == 'redrive' else 'discarded'}.")
        if done.refused:
            raise CommandError("\n".join(done.refused), returncode=_SOME_REFUSED)


def _add_filters(parser: ArgumentParser) -> None:
    parser.add_argument("--cause", choices=Cause.values)
    parser.add_argument("--task", help="its whole name")
    parser.add_argument("--subject", help="e.g. order:42")
    parser.add_argument("--error-class", help="e.g. Permanent")


def _chosen(options: dict[str, Any]) -> QuerySet[DeadLetter]:
    names = ("cause", "task", "subject", "error_class")
    return DeadLetter.objects.filter(**{name: options[name] for name in names if options[name]})


def _line(letter: DeadLetter) -> str:
    return (
        f"{letter.pk:>6}  {letter.last_seen_at:%Y-%m-%d %H:%M:%S}  {letter.status:<9} "
        f"{letter.cause:<12} {letter.task} {letter.subject or '-'}  {letter.error_class} "
        f"(attempt {letter.attempt})"
    )


def _positive(kind: type[Any]) -> Any:
    def parse(text: str) -> Any:
        try:
            number = kind(text)
        except ValueError:
            number = 0
        if not 0 < number < 1e9:
            raise ArgumentTypeError(f"{text!r} is no number above zero")
        return number

    return parse


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return "unknown"
