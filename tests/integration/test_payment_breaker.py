"""A sick bank is left alone, and no order pays for that: neither with attempts nor twice."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from celery.exceptions import Retry
from django.conf import LazySettings
from django.utils import timezone

from orders.gateways.chosen import get_gateway
from orders.gateways.payment import RefundRequest
from orders.models import Order
from orders.services.placement import place_order
from orders.services.shelf import receive_stock
from orders.states import OrderStatus
from orders.tasks import capture_payment
from tasks.breaker import BreakerPolicy, Status
from tasks.breaker_store import breaker_states
from tasks.delivery import HEADER
from tasks.errors import BreakerOpen, OutcomeUnknown
from tasks.models import BreakerState, DeadLetter, OutboxMessage
from tests.contract.waiting import wait_until
from tests.integration.receiving_worker import running_worker
from tests.integration.sandbox_server import SandboxServer
from tests.integration.shopping import command, line, placed

pytestmark = pytest.mark.django_db(transaction=True)

FAILURES = BreakerPolicy().failures


@pytest.fixture(autouse=True)
def recovering_bank(bank: SandboxServer) -> Iterator[None]:
    yield
    bank.set_mode("ok")


def deliver(order: Order, attempt: int = 1) -> None:
    """As a worker gets it; it is to come back."""
    first = timezone.now().isoformat()
    header = {HEADER: {"attempt": attempt, "first_enqueued_at": first, "subject": order.subject}}
    capture_payment.push_request(id=str(uuid4()), headers=header)
    try:
        capture_payment(order_id=order.pk, payment_id=order.payments.get().pk)
    finally:
        capture_payment.pop_request()


def captures() -> Counter[str]:
    return Counter(capture.order_number for capture in get_gateway().captures())


def open_by_failing(bank: SandboxServer) -> None:
    bank.set_mode("down")
    for number in range(FAILURES):
        with pytest.raises(Retry):
            deliver(placed(f"SICK-{number}"))


def test_a_bank_that_keeps_failing_is_not_called_and_no_attempt_is_used_up(
    bank: SandboxServer, settings: LazySettings
) -> None:
    settings.PAYMENT_BREAKER_OPEN_SECONDS = 600
    open_by_failing(bank)
    bank.set_mode("ok")
    order = placed("WAITING")
    OutboxMessage.objects.all().delete()

    with pytest.raises(Retry) as retry:
        deliver(order, attempt=3)

    assert isinstance(retry.value.exc, BreakerOpen)
    waiting = OutboxMessage.objects.get()
    assert waiting.attempt == 3
    assert waiting.not_before > timezone.now() + timedelta(seconds=500)
    assert "payment.capture" in waiting.reason
    assert order.number not in captures()
    order.refresh_from_db()
    assert order.status == OrderStatus.PLACED


def test_declined_cards_never_open_it(bank: SandboxServer) -> None:
    for number in range(FAILURES + 1):
        deliver(placed(f"NO-{number}", payment_method="pm_card_visa_chargeDeclined"))

    assert breaker_states() == []


def test_the_books_can_be_read_while_captures_are_refused(
    bank: SandboxServer, settings: LazySettings
) -> None:
    settings.PAYMENT_BREAKER_OPEN_SECONDS = 600
    open_by_failing(bank)
    bank.set_mode("ok")

    assert isinstance(captures(), Counter)
    assert [seen.name for seen in breaker_states()] == ["payment.capture"]


def test_refunds_and_cancellations_have_breakers_of_their_own(
    bank: SandboxServer, settings: LazySettings
) -> None:
    settings.PAYMENT_BREAKER_OPEN_SECONDS = 600
    gateway = get_gateway()
    request = RefundRequest("key", "pi_none", 100, "EUR", "TM-1", 1, 1)
    bank.set_mode("down")
    for _ in range(FAILURES):
        with pytest.raises(OutcomeUnknown):
            gateway.refund(request)
        with pytest.raises(OutcomeUnknown):
            gateway.void("pi_none", "key")
    bank.set_mode("ok")

    with pytest.raises(BreakerOpen, match=r"payment\.refund"):
        gateway.refund(request)
    with pytest.raises(BreakerOpen, match=r"payment\.void"):
        gateway.void("pi_none", "key")
    order = placed("OTHER-ROADS")
    deliver(order)
    assert captures()[order.number] == 1


def test_orders_that_met_a_sick_bank_finish_when_it_is_well_again_charged_once_each(
    bank: SandboxServer, relaying: None, tmp_path: Path
) -> None:
    bank.set_mode("down")
    receive_stock("MUG", 50, "test")
    orders = [place_order(command(line("MUG"))) for _ in range(12)]
    bank_of_the_worker = {"STRIPE_API_BASE": bank.base_url, "STRIPE_API_KEY": bank.api_key}
    breaking = {"PAYMENT_BREAKER_OPEN_SECONDS": "1"}
    with running_worker(
        "config", "orders.payment", tmp_path, "payer", **bank_of_the_worker, **breaking
    ):
        refused = OutboxMessage.objects.filter(reason__startswith="BreakerOpen")
        wait_until(refused.exists, seconds=60)
        # Opened more than once: its probes met a bank that was still sick.
        wait_until(lambda: BreakerState.objects.filter(generation__gte=4).exists(), seconds=60)
        bank.set_mode("ok")
        numbers = [order.number for order in orders]
        paid = Order.objects.filter(number__in=numbers, status=OrderStatus.PAID)
        wait_until(lambda: paid.count() == len(orders), seconds=90)

    taken = captures()
    assert [taken[number] for number in numbers] == [1] * len(orders)
    assert not DeadLetter.objects.exists()
    assert [seen.status for seen in breaker_states()] == [Status.CLOSED]
