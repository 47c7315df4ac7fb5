"""The books for people: a page and a JSON list."""

from html import escape
from typing import Any

from ops.sandbox.faults import Mode
from ops.sandbox.store import Store

_SHOWN = 100
_COLUMNS = ("#", "When (UTC)", "What", "Amount", "Order", "Payment", "Reference")
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; }
p { margin: .25rem 0 1.5rem; opacity: .8; }
dl { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; margin: 0 0 1.5rem; }
dt { font-size: .8rem; opacity: .7; }
dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; white-space: nowrap; }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8884; }
td { font-variant-numeric: tabular-nums; }
th { font-size: .8rem; opacity: .7; }
"""


def ledger(store: Store, mode: Mode) -> dict[str, Any]:
    """Every movement, newest first, with totals in cents."""
    return {
        "mode": mode.value,
        "captured_cents": store.moved_cents("capture"),
        "refunded_cents": store.moved_cents("refund"),
        "movements": store.movements(),
    }


def page(store: Store, mode: Mode) -> str:
    """The latest movements as HTML. Everything that came from outside is escaped."""
    latest = store.movements(limit=_SHOWN)
    facts = {
        "Captured": _money(store.moved_cents("capture")),
        "Refunded": _money(store.moved_cents("refund")),
        "Movements": str(latest[0]["number"] if latest else 0),
        "Mode": mode.value,
    }
    summary = "".join(
        f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items()
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    rows = "".join(_row(movement) for movement in latest) or (
        f'<tr><td colspan="{len(_COLUMNS)}">No money has moved yet.</td></tr>'
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="refresh" content="5"><title>Payment sandbox</title>'
        f"<style>{_STYLE}</style></head><body><h1>Payment sandbox</h1>"
        f"<p>The bank's own books, for tests: nobody's money. The latest {_SHOWN} movements; "
        '<a href="/sandbox/ledger">all of them as JSON</a>.</p>'
        f'<dl>{summary}</dl><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></body></html>"
    )


def _row(movement: dict[str, Any]) -> str:
    cells = (
        movement["number"],
        movement["moved_at"][:19].replace("T", " "),
        movement["kind"],
        f"{_money(movement['amount_cents'])} {movement['currency'].upper()}",
        movement["order_number"] or "—",
        movement["payment_id"] or "—",
        movement["payment_intent"],
    )
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"


def _money(cents: int) -> str:
    return f"{cents // 100:,}.{cents % 100:02d}"
