"""A proof as a document that can be filed: JSON, CSV or HTML, signed."""

import csv
import io
from collections.abc import Callable, Iterable
from typing import Any

from django.template.loader import render_to_string

from orders.services.proof import Proof, Row, facts
from orders.services.proof_signature import public_key, signed_json, signed_lines

# A spreadsheet takes what begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_MOST_ROWS = 1_000
_COLUMNS = [
    "record",
    *(name for name in Row.__annotations__ if name != "differences"),
    *("what", "found", "mend"),
]


def as_json(proof: Proof) -> bytes:
    """Raises NoProofKey, as the others do."""
    return signed_json(facts(proof))


def as_csv(proof: Proof) -> bytes:
    """A row for the proof, for each order and for each difference; the last one signs them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for record in _records(proof):
        writer.writerow({name: _harmless(value) for name, value in record.items()})
    return signed_lines(text.getvalue().encode(), "{}")


def as_html(proof: Proof) -> bytes:
    """One file without anything from elsewhere, made to be printed."""
    context = {**page_context(proof), "public_key": public_key()}
    page = render_to_string("orders/proof/report.html", context).strip() + "\n"
    return signed_lines(page.encode(), "<!-- {} -->")


def page_context(proof: Proof) -> dict[str, Any]:
    """What the templates of ``orders/proof`` need."""
    return {
        "proof": proof,
        "facts": facts(proof),
        "rows": proof.rows[:_MOST_ROWS],
        "left_out": max(0, len(proof.rows) - _MOST_ROWS),
    }


FORMATS: dict[str, tuple[Callable[[Proof], bytes], str]] = {
    "json": (as_json, "application/json"),
    "csv": (as_csv, "text/csv; charset=utf-8"),
    "html": (as_html, "text/html; charset=utf-8"),
}
"""By name: what writes it, and its content type."""


def _records(proof: Proof) -> Iterable[dict[str, Any]]:
    said = facts(proof)
    holds = "The promise holds." if proof.report.ok else "The promise is broken."
    yield {
        "record": "proof",
        "what": f"{said['shop']}, {said['about']} ({said['time_zone']}), made {said['made_at']}",
        "found": f"{holds} {len(proof.report.differences)} differences.",
    }
    for row in said["orders"]:
        yield {"record": "order", **{name: row[name] for name in row if name != "differences"}}
    for difference in said["differences"]:
        yield {
            "record": "difference",
            "order": difference["about"],
            "what": difference["what"],
            "found": difference["found"],
            "mend": difference["mend"],
        }


def _harmless(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
