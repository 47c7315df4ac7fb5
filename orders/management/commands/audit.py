"""``manage.py audit``: is every unit sold once, every order charged once, nothing lost?"""

import sys
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders.errors import OrderError
from orders.management.audit_output import all_hold, as_json, as_text, proof_as_text
from orders.models import Order
from orders.services.audit import AuditReport, audit
from orders.services.audit_parts import PARTS, CannotProve
from orders.services.audit_scope import Scope
from orders.services.proof import Period, Proof, prove, prove_order
from orders.services.proof_document import FORMATS
from orders.services.proof_repair import Repair, mend, repairs
from orders.services.proof_signature import NoProofKey, Verdict, public_key, verify
from tasks.errors import TaskError

_STDOUT = "-"


class Command(BaseCommand):
    help = (
        "Compare orders, holds, ledger, payments, refunds, the provider's books and mails; of all "
        "orders, of a period or of one, the latter two signed so that they can be filed. Exit 1 "
        "when a rule is broken, 2 when it could not be found out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name, dest, text in (
            ("--from", "first", "first day of the period"),
            ("--to", "last", "its last day, included"),
        ):
            parser.add_argument(
                name, dest=dest, help=text, type=date.fromisoformat, metavar="YYYY-MM-DD"
            )
        parser.add_argument("--order", metavar="NUMBER", help="prove one order")
        for part in PARTS.values():
            parser.add_argument(
                f"--{part.option}", metavar=part.metavar, dest=_dest(part.option), help=part.help
            )
        for name in FORMATS:
            parser.add_argument(
                f"--{name}",
                nargs="?",
                const=_STDOUT,
                metavar="FILE",
                help=f"as {name.upper()}, into the file or to the screen",
            )
        parser.add_argument(
            "--settled",
            action="store_true",
            help="nothing should be in flight any more: what still is counts as lost",
        )
        parser.add_argument("--verify", metavar="FILE", help="is this filed report untouched?")
        parser.add_argument("--key", help="the public key to expect; default: this shop's own")
        parser.add_argument(
            "--public-key", action="store_true", help="print the key that others check with"
        )
        parser.add_argument(
            "--repair", action="store_true", help="list what can be mended without a judgement"
        )
        parser.add_argument("--yes", action="store_true", help="with --repair: and do it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            holds = self._run(options)
        except TaskError as error:
            raise CommandError(
                f"The provider's ledger cannot be read: {error}", returncode=2
            ) from error
        except (NoProofKey, CannotProve, OSError) as error:
            raise CommandError(str(error), returncode=2) from error
        if not holds:
            sys.exit(1)

    def _run(self, options: dict[str, Any]) -> bool:
        if options["public_key"]:
            self.stdout.write(public_key())
            return True
        if options["verify"]:
            return self._verify(Path(options["verify"]), options["key"])
        for option in PARTS:
            if name := options[_dest(option)]:
                return self._part(option, name, options)
        proof = _proof(options)
        if proof is None:
            report = self._whole_audit(options)
        else:
            report = proof.report
            self._file(proof, options)
        if options["repair"]:
            self._repair(report, do=options["yes"])
        return report.ok

    def _whole_audit(self, options: dict[str, Any]) -> AuditReport:
        if options["csv"] or options["html"]:
            raise CommandError(
                "A report that can be filed is of a period or an order: give --from and --to, or "
                "--order.",
                returncode=2,
            )
        report = audit(settled=options["settled"])
        shown = as_json(report) + "\n" if options["json"] else as_text(report)
        self._put(options["json"] or _STDOUT, shown.encode())
        return report

    def _part(self, option: str, name: str, options: dict[str, Any]) -> bool:
        others = [word for word in ("first", "last", "order", "csv", "html") if options[word]]
        if others or options["repair"]:
            raise CommandError(
                f"--{option} goes with --json and --settled only. To mend its orders: --order.",
                returncode=2,
            )
        found = PARTS[option].prove(name, options["settled"])
        report = audit(Scope(order_ids=found.order_ids), settled=options["settled"])
        if options["json"]:
            shown = as_json(report, found.rules) + "\n"
        else:
            shown = as_text(report, found.rules)
        self._put(options["json"] or _STDOUT, shown.encode())
        return all_hold(report, found.rules)

    def _file(self, proof: Proof, options: dict[str, Any]) -> None:
        wanted = {name: options[name] for name in FORMATS if options[name]}
        if _STDOUT not in wanted.values():
            self.stdout.write(proof_as_text(proof))
        for name, place in wanted.items():
            write, _content_type = FORMATS[name]
            self._put(place, write(proof))

    def _put(self, place: str, content: bytes) -> None:
        if place == _STDOUT:
            self.stdout.write(content.decode(), ending="")
            return
        Path(place).write_bytes(content)
        self.stdout.write(f"Written: {place}")

    def _verify(self, place: Path, key: str | None) -> bool:
        verdict, signed_with = verify(place.read_bytes(), key or public_key())
        by = f" ({signed_with})" if signed_with else ""
        self.stdout.write(f"{place}: {verdict}{by}")
        return verdict is Verdict.UNTOUCHED

    def _repair(self, report: AuditReport, *, do: bool) -> None:
        found = repairs(report.differences)
        by_hand = len(report.differences) - len(found)
        self.stdout.write(
            f"\n{len(found)} can be mended here, {by_hand} need a person."
            + (" Nothing was done: add --yes to do it." if found and not do else "")
        )
        for repair in found:
            done = _mended(repair) if do else ""
            self.stdout.write(
                f"  {repair.difference.subject}: {repair.step}{f': {done}' if done else ''}"
            )
        if do and found:
            self.stdout.write("Let the workers do it, then run the audit again.")


def _dest(option: str) -> str:
    return f"part_{option}"


def _mended(repair: Repair) -> str:
    try:
        return mend(repair)
    except OrderError as fact:
        # One that cannot be had now must not keep the others from being mended.
        return f"not done: {fact}"


def _proof(options: dict[str, Any]) -> Proof | None:
    """None: everything is meant, which is no report to be filed."""
    first, last, number = options["first"], options["last"], options["order"]
    if number and (first or last):
        raise CommandError("Give --order, or --from and --to, not both.", returncode=2)
    if number:
        order = Order.objects.filter(number=number.upper()).first()
        if order is None:
            raise CommandError(f"There is no order {number}.", returncode=2)
        return prove_order(order)
    if first is None and last is None:
        return None
    if first is None or last is None or last < first:
        raise CommandError(
            "A period needs --from and --to, and must not end before it begins.", returncode=2
        )
    return prove(Period(first, last))
