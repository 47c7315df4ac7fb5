"""docs/proof.md shows the table of differences as it is."""

from pathlib import Path

from orders.services.audit_faults import FAULTS
from orders.services.proof_repair import STEPS

_DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "proof.md"


def test_every_difference_stands_in_the_document_as_in_the_table() -> None:
    lines = _DOCUMENT.read_text(encoding="utf-8").splitlines()
    rows = [
        f"| `{kind.code}` | {kind.title} | {kind.promise} | {kind.mend} "
        f"| {'yes' if kind.repairable else ''} |"
        for kind in FAULTS.values()
    ]

    assert [line for line in lines if line.startswith("| `") and line.count("|") == 6] == rows


def test_what_the_table_calls_repairable_has_a_repair() -> None:
    assert set(STEPS) == {code for code, kind in FAULTS.items() if kind.repairable}
