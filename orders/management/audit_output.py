"""What ``manage.py audit`` prints: for people, and for programs."""

import json
from collections.abc import Sequence

from orders.services.audit import AuditReport
from orders.services.audit_faults import TOLD, Rule
from orders.services.proof import Proof

_HOLDS, _BROKEN = "The promise holds.", "THE PROMISE IS BROKEN: see above."


def as_json(report: AuditReport, more: Sequence[Rule] = ()) -> str:
    """``more``: rules of a part, checked beyond those of the orders."""
    rules = [
        {
            "kind": rule.kind,
            "rule": rule.title,
            "checked": rule.checked,
            "breaches": list(rule.breaches),
        }
        for rule in (*more, *report.rules)
    ]
    return json.dumps({"ok": all_hold(report, more), "rules": rules, "counts": report.counts})


def as_text(report: AuditReport, more: Sequence[Rule] = ()) -> str:
    lines = []
    for rule in (*more, *report.rules):
        lines.append(f"{_verdict(rule)}  {rule.title} ({rule.checked} checked)")
        lines += [f"          {breach}" for breach in rule.breaches]
    counts = ", ".join(f"{name} {value}" for name, value in report.counts.items())
    return "\n".join([*lines, "", counts, "", _HOLDS if all_hold(report, more) else _BROKEN, ""])


def all_hold(report: AuditReport, more: Sequence[Rule]) -> bool:
    return report.ok and not any(rule.breaches for rule in more if rule.kind != TOLD)


def proof_as_text(proof: Proof) -> str:
    """Each difference with the way to mend it; the rules in between are in the filed forms."""
    lines = [f"Proof of {proof.about}: {len(proof.rows)} orders"]
    for difference in proof.report.differences:
        kind = difference.kind
        lines += [
            "",
            f"{difference.subject}: {kind.title}",
            f"    found: {difference.detail}",
            f"    so:    {kind.consequence}",
            f"    mend:  {kind.mend}",
        ]
    for currency, sums in proof.totals.items():
        lines.append("")
        lines += [f"{currency} {name}: {cents}" for name, cents in sums.items()]
    return "\n".join([*lines, "", _HOLDS if proof.report.ok else _BROKEN])


def _verdict(rule: Rule) -> str:
    if not rule.breaches:
        return "ok    "
    return "told  " if rule.kind == TOLD else "BROKEN"
