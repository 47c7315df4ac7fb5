"""What an event of the provider makes us do, as a table."""

import pytest

from orders.gateways.webhook_in import message_in
from orders.models import Payment, Refund
from orders.services.webhook_in import Step, verdict_on
from orders.states import PaymentStatus, RefundStatus

PAID = "payment_intent.succeeded"
FAILED = "payment_intent.payment_failed"


def step(
    kind: str, *, payment: str = "", refund: str = "", about: str = "pi_1", now: str = ""
) -> Step:
    event = {
        "id": "evt_1",
        "type": kind,
        "created": 1_800_000_000,
        "data": {"object": {"id": about, "object": "payment_intent", "status": now}},
    }
    return verdict_on(
        message_in(event),
        Payment(status=payment, gateway_reference="pi_1") if payment else None,
        Refund(status=refund) if refund else None,
    ).step


@pytest.mark.parametrize("kind", [PAID, FAILED, "payment_intent.canceled"])
@pytest.mark.parametrize(
    "status", [PaymentStatus.PENDING, PaymentStatus.ACTION_REQUIRED, PaymentStatus.UNKNOWN]
)
def test_about_an_open_payment_the_bank_is_asked_whatever_the_event_says(
    kind: str, status: str
) -> None:
    assert step(kind, payment=status) is Step.CAPTURE


@pytest.mark.parametrize("status", [PaymentStatus.DECLINED, PaymentStatus.CANCELLED])
def test_money_for_a_closed_payment_is_looked_up_in_the_books(status: str) -> None:
    assert step(PAID, payment=status) is Step.RECHECK
    assert step(FAILED, payment=status) is Step.NONE


def test_what_is_known_already_changes_nothing() -> None:
    assert step(PAID, payment=PaymentStatus.CAPTURED) is Step.NONE
    assert step(FAILED, payment=PaymentStatus.CAPTURED) is Step.NONE
    assert step("refund.updated", refund=RefundStatus.REFUSED) is Step.NONE
    assert step("refund.created", refund=RefundStatus.MOVED, now="succeeded") is Step.NONE


def test_money_that_moved_twice_for_one_payment_is_for_a_person() -> None:
    event = {
        "id": "evt_1",
        "type": PAID,
        "created": 1_800_000_000,
        "data": {"object": {"id": "pi_2", "object": "payment_intent"}},
    }
    captured = Payment(status=PaymentStatus.CAPTURED, gateway_reference="pi_1")
    verdict = verdict_on(message_in(event), captured, None)
    assert verdict.alarming
    assert "pi_2" in verdict.note


@pytest.mark.parametrize("status", [RefundStatus.REQUESTED, RefundStatus.UNKNOWN])
@pytest.mark.parametrize("kind", ["refund.created", "refund.updated", "refund.failed"])
def test_about_an_open_refund_the_bank_is_asked(kind: str, status: str) -> None:
    assert step(kind, refund=status) is Step.MOVE_REFUND


def test_a_refund_that_came_back_days_later_is_asked_about() -> None:
    assert step("refund.failed", refund=RefundStatus.MOVED, now="failed") is Step.MOVE_REFUND


@pytest.mark.parametrize("kind", [PAID, "refund.updated", "customer.created", "refunds", ""])
def test_what_is_not_ours_changes_nothing(kind: str) -> None:
    assert step(kind) is Step.NONE
