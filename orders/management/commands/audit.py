"""``manage.py audit``: is every unit sold once, every order charged once, nothing lost?"""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders.services.audit import AuditReport, audit
from tasks.errors import TaskError


class Command(BaseCommand):
    help = (
        "Compare orders, holds, ledger, payments, the provider's ledger and mails. "
        "Exit 1 when a rule is broken, 2 when the provider does not answer."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
        parser.add_argument(
            "--settled",
            action="store_true",
            help="nothing should be in flight any more: what still is counts as lost",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = audit(settled=options["settled"])
        except TaskError as error:
            raise CommandError(
                f"The provider's ledger cannot be read: {error}", returncode=2
            ) from error
        self.stdout.write(_as_json(report) if options["json"] else _as_text(report))
        if not report.ok:
            sys.exit(1)


def _as_json(report: AuditReport) -> str:
    rules = [
        {"kind": r.kind, "rule": r.title, "checked": r.checked, "breaches": list(r.breaches)}
        for r in report.rules
    ]
    return json.dumps({"ok": report.ok, "rules": rules, "counts": report.counts})


def _as_text(report: AuditReport) -> str:
    lines = []
    for rule in report.rules:
        verdict = "ok    " if not rule.breaches else "BROKEN"
        lines.append(f"{verdict}  {rule.title} ({rule.checked} checked)")
        lines += [f"          {breach}" for breach in rule.breaches]
    counts = ", ".join(f"{name} {value}" for name, value in report.counts.items())
    verdict = "The promise holds." if report.ok else "THE PROMISE IS BROKEN: see above."
    return "\n".join([*lines, "", counts, "", verdict])
