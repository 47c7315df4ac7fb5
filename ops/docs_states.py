"""``./dev docs``: draw docs/states.md from the tables in orders/states.py and of flash sales.

The tables say what may happen; who makes it happen is told here. A transition without a cause, or a
cause without a transition, is an error, so neither can be forgotten.
"""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ops.stack.layout import CHECKOUT
from orders import states as orders
from shop.flash_sales import states as sales

# Choices of another noun may not be mixed in a type: each table is read by itself.
TABLES: dict[str, Mapping[Any, frozenset[Any]]] = {
    **orders.TABLES,
    "flash sale": sales.SALE_TRANSITIONS,
    "ticket": sales.TICKET_TRANSITIONS,
    "rehearsal": sales.REHEARSAL_TRANSITIONS,
}
PAGE = CHECKOUT / "docs" / "states.md"


@dataclass(frozen=True, slots=True)
class Cause:
    """``who`` does it, ``why``, and by which ``service``: module.function in orders.services, or
    for the nouns of SALES in shop.flash_sales."""

    who: str
    service: str
    why: str


_CAPTURE = "payment.capture_payment"
_RECHECK = "settlement.recheck_payment"
_CANCEL = "cancellation.cancel_order"
_EXPIRE = "sweeping.expire_holds"
_MOVE = "refunding.move_refund"
_SHIP = "shipping.ship_lines"

_ARRIVED_LATE = Cause(
    "worker, woken by a webhook or a sweep",
    _RECHECK,
    "the provider's books say that the money moved after all",
)


def _cancelled(why: str) -> Cause:
    return Cause("shopper, or staff with a reason", _CANCEL, why)


CAUSES: dict[str, dict[tuple[str, str], Cause]] = {
    "order": {
        ("placed", "paid"): Cause("worker", _CAPTURE, "the bank took the money"),
        ("placed", "payment_failed"): Cause(
            "worker", _CAPTURE, "the bank declined, or the shopper never came back from it"
        ),
        ("placed", "cancelled"): _cancelled("nothing was paid yet"),
        ("payment_failed", "placed"): Cause(
            "shopper", "payment.retry_payment", "gave another card while the hold lasted"
        ),
        ("payment_failed", "paid"): _ARRIVED_LATE,
        ("payment_failed", "expired"): Cause("sweep", _EXPIRE, "the hold ended unpaid"),
        ("payment_failed", "cancelled"): _cancelled("nobody wants to pay it any more"),
        ("paid", "cancelled"): Cause(
            "shopper, or staff with a reason",
            f"{_CANCEL}, refund.request_refund",
            "no parcel was shipped yet; everything captured is refunded",
        ),
        ("expired", "paid"): Cause(
            "worker, woken by a webhook or a sweep",
            _RECHECK,
            "money came late, and the units could be held again",
        ),
    },
    "payment": {
        ("pending", "action_required"): Cause("worker", _CAPTURE, "the bank wants the shopper"),
        ("pending", "unknown"): Cause("worker", _CAPTURE, "the bank did not answer"),
        ("pending", "captured"): Cause("worker", _CAPTURE, "the bank took the money"),
        ("pending", "declined"): Cause("worker", _CAPTURE, "the bank said no"),
        ("pending", "cancelled"): _cancelled("the bank was never asked, so nothing can move"),
        ("action_required", "unknown"): Cause("worker", _CAPTURE, "the bank did not answer"),
        ("action_required", "captured"): Cause("worker", _CAPTURE, "the shopper said yes there"),
        ("action_required", "declined"): Cause("worker", _CAPTURE, "the shopper said no there"),
        ("action_required", "cancelled"): Cause(
            "worker", _CAPTURE, "given up, closed, or its hold has ended: voided at the bank"
        ),
        ("unknown", "action_required"): Cause("worker", _CAPTURE, "asked again: wants the shopper"),
        ("unknown", "captured"): Cause("worker", _CAPTURE, "asked again: the money had moved"),
        ("unknown", "declined"): Cause("worker", _CAPTURE, "asked again: it said no"),
        ("unknown", "cancelled"): Cause(
            "worker", _CAPTURE, "the order was closed; the books have nothing, or it was voided"
        ),
        ("declined", "captured"): _ARRIVED_LATE,
        ("cancelled", "captured"): _ARRIVED_LATE,
    },
    "fulfilment": {
        ("unfulfilled", "packed"): Cause(
            "worker", "fulfilment.deduct_inventory", "the order is paid; its units left the shelf"
        ),
        ("packed", "partly_shipped"): Cause("staff", _SHIP, "some units are on their way"),
        ("packed", "shipped"): Cause("staff", _SHIP, "all units are on their way"),
        ("partly_shipped", "shipped"): Cause(
            "staff", _SHIP, "the rest is on its way, or was withdrawn by a refund"
        ),
        ("partly_shipped", "delivered"): Cause(
            "staff",
            "refund.request_refund",
            "what was left was withdrawn, and every parcel had arrived",
        ),
        ("shipped", "delivered"): Cause(
            "staff", "shipping.mark_delivered", "the last parcel arrived"
        ),
    },
    "hold": {
        ("held", "deducted"): Cause(
            "worker", "fulfilment.deduct_inventory", "the units left the shelf"
        ),
        ("held", "released"): Cause(
            "sweep, shopper or staff", f"{_EXPIRE}, {_CANCEL}", "the order expired or was cancelled"
        ),
        ("released", "held"): Cause(
            "worker, woken by a webhook or a sweep",
            _RECHECK,
            "money came late for an expired order",
        ),
    },
    "refund": {
        ("requested", "unknown"): Cause("worker", _MOVE, "the bank did not answer"),
        ("requested", "moved"): Cause("worker", _MOVE, "the bank sent the money"),
        ("requested", "refused"): Cause("worker", _MOVE, "the bank said no; the sum is free again"),
        ("unknown", "moved"): Cause("worker", _MOVE, "asked again: the money had been sent"),
        ("unknown", "refused"): Cause("worker", _MOVE, "asked again: the bank said no"),
        ("moved", "refused"): Cause(
            "worker, woken by a webhook", _MOVE, "the money came back from the bank days later"
        ),
    },
    "shipment": {
        ("shipped", "delivered"): Cause("staff", "shipping.mark_delivered", "the parcel arrived"),
    },
    "return": {
        ("announced", "received"): Cause("staff", "returns.receive_return", "the parcel came back"),
        ("announced", "withdrawn"): Cause(
            "shopper or staff", "returns.withdraw_return", "it is not coming after all"
        ),
        ("announced", "lapsed"): Cause("sweep", "returns.lapse_returns", "it never arrived"),
        ("lapsed", "received"): Cause("staff", "returns.receive_return", "it turned up after all"),
    },
}

_OVER = Cause("staff, or the keeper at its end", "selling.end", "free units go back to stock")
CAUSES |= {
    "flash sale": {
        ("draft", "announced"): Cause("staff", "selling.announce", "its page may be seen"),
        ("draft", "ended"): Cause("staff", "selling.end", "it does not take place"),
        ("announced", "paused"): Cause("staff", "selling.pause", "nobody is let through"),
        ("announced", "ended"): _OVER,
        ("paused", "announced"): Cause("staff", "selling.resume", "the line goes on"),
        ("paused", "ended"): _OVER,
    },
    "ticket": {
        ("held", "ordered"): Cause(
            "shopper", "ordering.order_with_ticket", "the order was placed, in one transaction"
        ),
        ("held", "expired"): Cause(
            "keeper", "expiring.expire_unused", "nobody ordered with it in time"
        ),
        ("held", "returned"): Cause(
            "shopper", "giving_back.give_back", "did not want it after all"
        ),
        ("ordered", "sold"): Cause("keeper", "expiring.follow_paid", "its order was paid"),
        ("ordered", "expired"): Cause(
            "keeper", "expiring.follow_ended", "its order expired or was cancelled unpaid"
        ),
    },
}
CAUSES["rehearsal"] = {
    ("asked", "running"): Cause("rehearser", "rehearsing.claim_next", "it is the next one"),
    ("asked", "failed"): Cause(
        "keeper", "rehearsal_limits.fail_overdue", "nobody took it within ten minutes"
    ),
    ("running", "held"): Cause("rehearser", "rehearsing.finish", "no promise was broken"),
    ("running", "broken"): Cause("rehearser", "rehearsing.finish", "a promise was broken"),
    ("running", "failed"): Cause(
        "rehearser, or the keeper",
        "rehearsing.fail, rehearsal_limits.fail_overdue",
        "it could not be done, was stopped, or gave no sign of life for two minutes",
    ),
}
SALES = ("flash sale", "ticket", "rehearsal")

_TITLES = {
    "order": "Order",
    "payment": "Payment: one attempt with one card",
    "fulfilment": "Fulfilment: where the units of a paid order are",
    "hold": "Hold: units kept for one order line",
    "refund": "Refund: money on its way back",
    "shipment": "Shipment: one parcel",
    "return": "Return: units on their way back",
    "flash sale": "Flash sale (docs/flash-sales.md)",
    "ticket": "Ticket: one unit of a flash sale, held for one person",
    "rehearsal": "Rehearsal of a flash sale (docs/rehearsal.md)",
}

_TOP = """# States

Drawn by `./dev docs` from the tables in `orders/states.py` and `shop/flash_sales/states.py`; do not
edit.
`tests/architecture/test_states_document.py` fails when it is not current.

An order has few states. Its money, its units and its parcels have states of their own. Each
transition is one service function, locked and idempotent, and writes the timeline in the same
transaction. A state without an arrow out of it is final. docs/sweeps.md says how long each other
state may last.
"""


def page() -> str:
    """The whole text of docs/states.md. Raises ValueError when causes and tables do not agree."""
    missing = [f"{noun}: {a} → {b}" for noun, a, b in _transitions() if (a, b) not in CAUSES[noun]]
    known = set(_transitions())
    invented = [
        f"{noun}: {a} → {b}"
        for noun, causes in CAUSES.items()
        for a, b in causes
        if (noun, a, b) not in known
    ]
    if missing or invented:
        raise ValueError(
            f"ops/docs_states.py does not fit orders/states.py. Without a cause: {missing}. "
            f"Not in the tables: {invented}."
        )
    return "\n".join([_TOP, *(_section(noun) for noun in TABLES)])


def services() -> set[str]:
    """Every service that the page names, with its package."""
    return {
        f"{'shop.flash_sales' if noun in SALES else 'orders.services'}.{service}"
        for noun, causes in CAUSES.items()
        for cause in causes.values()
        for service in cause.service.split(", ")
    }


def main(argv: list[str]) -> int:
    """Exit code 0; with ``--check`` 1 when the file is not current."""
    parser = argparse.ArgumentParser(prog="./dev docs", description="Draw docs/states.md.")
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    options = parser.parse_args(argv)
    text = page()
    if options.check:
        current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        print("docs/states.md is current." if current else "docs/states.md is not: ./dev docs")
        return 0 if current else 1
    PAGE.write_text(text, encoding="utf-8")
    print("docs/states.md is written.")
    return 0


def _transitions() -> Iterable[tuple[str, str, str]]:
    for noun, table in TABLES.items():
        for source in table:
            for target in type(source):
                if target in table[source]:
                    yield noun, str(source), str(target)


def _section(noun: str) -> str:
    table = TABLES[noun]
    arrows = [(a, b) for name, a, b in _transitions() if name == noun]
    states = [(str(state), str(state.label)) for state in table]
    first = states[0][0]
    final = [state for state, _ in states if not any(a == state for a, _ in arrows)]
    lines = [f"## {_TITLES[noun]}", "", "```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    lines += [f"    {a} --> {b}" for a, b in arrows]
    lines += [f"    {state} --> [*]" for state in final]
    lines += ["```", "", "| state | in words |", "|---|---|"]
    lines += [f"| `{state}` | {label} |" for state, label in states]
    lines += ["", "| from | to | who | when | service |", "|---|---|---|---|---|"]
    for a, b in arrows:
        cause = CAUSES[noun][a, b]
        service = ", ".join(f"`{one}`" for one in cause.service.split(", "))
        lines.append(f"| `{a}` | `{b}` | {cause.who} | {cause.why} | {service} |")
    return "\n".join([*lines, ""])
