"""What the demo takes for a kept promise."""

import pytest

from ops.demo.report import Audit, holds, summary
from ops.demo.scenarios import Plan
from ops.demo.shopper import BROKEN, PAID, UNFINISHED, Visit

COUNTS = {
    "orders": 1,
    "paid": 1,
    "cancelled": 0,
    "payment_failed": 0,
    "payments_declined": 0,
    "confirmed": 1,
    "captures_at_gateway": 1,
}


def visit(ending: str = PAID, *urls: str) -> Visit:
    return Visit(Plan("pays", (("MUG", 1),)), ending, set(urls or ("/orders/a/",)))


def verdict(visits: list[Visit], rules: list[dict[str, object]], **counts: int) -> bool:
    audit = Audit(not rules, rules, {**COUNTS, **counts})
    return holds(summary(visits, audit, 1.0), audit)


def test_a_paid_order_that_the_audit_knows_holds() -> None:
    assert verdict([visit()], [])


@pytest.mark.parametrize("kind", ["oversold", "double_charged", "lost"])
def test_a_broken_rule_does_not_hold(kind: str) -> None:
    assert not verdict([visit()], [{"kind": kind, "breaches": ["one"]}])


@pytest.mark.parametrize("ending", [UNFINISHED, BROKEN])
def test_a_shopper_who_saw_no_end_does_not_hold(ending: str) -> None:
    assert not verdict([visit(ending)], [])


def test_one_form_that_became_two_orders_does_not_hold() -> None:
    assert not verdict([visit(PAID, "/orders/a/", "/orders/b/")], [], orders=2)


def test_an_order_that_was_shown_and_is_not_known_does_not_hold() -> None:
    assert not verdict([visit()], [], orders=0)


def test_a_declined_order_whose_hold_never_ends_does_not_hold() -> None:
    assert not verdict([visit()], [], payment_failed=1)
