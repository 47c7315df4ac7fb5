"""The adapter on the provider's SDK against the sandbox: every answer becomes the right fact."""

import os
import socket
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from orders.gateways.chosen import get_gateway
from orders.gateways.payment import (
    Attempted,
    Captured,
    CaptureRequest,
    Declined,
    GatewayCapture,
    PaymentGateway,
)
from orders.gateways.stripe_gateway import StripeGateway
from tasks.errors import OutcomeUnknown, Permanent, TaskError, Transient
from tests.integration.sandbox_server import SandboxServer, running_sandbox

TIMEOUT_SECONDS = 0.8
RETURN_URL = "http://127.0.0.1:1/orders/abc/"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    folder = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(folder, hang_seconds=30, slow_seconds=1.5) as server:
        yield server


@pytest.fixture
def gateway(sandbox: SandboxServer) -> Iterator[PaymentGateway]:
    yield _gateway(sandbox)
    sandbox.set_mode("ok")


def _gateway(sandbox: SandboxServer, api_key: str | None = None) -> StripeGateway:
    return StripeGateway(
        api_key or sandbox.api_key, api_base=sandbox.base_url, timeout_seconds=TIMEOUT_SECONDS
    )


def _request(payment_method: str = "pm_card_visa", **changes: object) -> CaptureRequest:
    fields: dict[str, object] = {
        "idempotency_key": str(uuid.uuid4()),
        "amount_cents": 4_990,
        "currency": "EUR",
        "payment_method": payment_method,
        "order_number": "TM-7K2Q9F",
        "payment_id": 42,
        "description": "Order TM-7K2Q9F",
        "return_url": RETURN_URL,
    }
    return CaptureRequest(**{**fields, **changes})  # type: ignore[arg-type]


def _moved(sandbox: SandboxServer, request: CaptureRequest) -> list[int]:
    return [
        movement["amount_cents"]
        for movement in sandbox.movements()
        if movement["idempotency_key"] == request.idempotency_key
    ]


def _answers(
    gateway: PaymentGateway, request: CaptureRequest, times: int
) -> list[Attempted | type[TaskError]]:
    """What ``times`` calls in a row come to: an outcome, or the class of the error."""
    answers: list[Attempted | type[TaskError]] = []
    for _ in range(times):
        try:
            answers.append(gateway.capture(request))
        except TaskError as error:
            answers.append(type(error))
    return answers


@pytest.mark.parametrize(
    ("token", "brand", "last4"),
    [("pm_card_visa", "visa", "4242"), ("pm_card_mastercard", "mastercard", "4444")],
)
def test_a_good_card_is_captured_once_however_often_it_is_asked_for(
    sandbox: SandboxServer, gateway: PaymentGateway, token: str, brand: str, last4: str
) -> None:
    request = _request(token)
    first, again, other_process = (
        gateway.capture(request),
        gateway.capture(request),
        _gateway(sandbox).capture(request),
    )
    assert isinstance(first, Captured)
    assert (first.amount_cents, first.currency) == (4_990, "EUR")
    assert (first.card_brand, first.card_last4) == (brand, last4)
    assert first == again == other_process
    assert _moved(sandbox, request) == [4_990]


@pytest.mark.parametrize(
    ("token", "code", "says"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "declined"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds", "not enough money"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "security code"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "just now"),
    ],
)
def test_a_refusal_is_final_for_its_key_and_says_why_in_plain_words(
    sandbox: SandboxServer, gateway: PaymentGateway, token: str, code: str, says: str
) -> None:
    request = _request(token)
    declined = gateway.capture(request)
    assert isinstance(declined, Declined)
    assert declined.code == code
    assert says in declined.message
    assert declined.reference.startswith("pi_")
    assert gateway.capture(request) == declined
    assert _moved(sandbox, request) == []


@pytest.mark.parametrize(
    ("token", "before_it_works"),
    [
        ("pm_sandbox_timeout_before", [OutcomeUnknown]),
        ("pm_sandbox_timeout_after", [OutcomeUnknown]),
        ("pm_sandbox_rate_limited", [Transient, Transient]),
        ("pm_sandbox_error_500", [OutcomeUnknown]),
        ("pm_sandbox_error_500_after", [OutcomeUnknown]),
        ("pm_sandbox_drop", [OutcomeUnknown]),
    ],
)
def test_a_bank_that_fails_is_asked_again_with_the_same_key_and_takes_the_money_once(
    sandbox: SandboxServer,
    gateway: PaymentGateway,
    token: str,
    before_it_works: list[type[TaskError]],
) -> None:
    request = _request(token)
    # Exactly so many errors: were the SDK to resend by itself, the later ones would be missing.
    *errors, outcome, again = _answers(gateway, request, len(before_it_works) + 2)
    assert errors == before_it_works
    assert isinstance(outcome, Captured)
    assert again == outcome
    assert _moved(sandbox, request) == [4_990]


def test_a_bank_slower_than_our_patience_still_takes_the_money_once(
    sandbox: SandboxServer, gateway: PaymentGateway
) -> None:
    request = _request("pm_sandbox_slow")
    answers = _answers(gateway, request, 1)
    deadline = time.monotonic() + 10
    while not isinstance(answers[-1], Captured) and time.monotonic() < deadline:
        answers += _answers(gateway, request, 1)  # 409 while the first request is still running
    assert set(answers[:-1]) == {OutcomeUnknown}
    assert isinstance(answers[-1], Captured)
    assert _moved(sandbox, request) == [4_990]


def test_a_server_error_that_the_provider_keeps_never_becomes_a_guess(
    sandbox: SandboxServer, gateway: PaymentGateway
) -> None:
    request = _request("pm_sandbox_error_500_kept")
    assert set(_answers(gateway, request, 3)) == {OutcomeUnknown}
    assert _moved(sandbox, request) == []


def test_a_silent_bank_is_given_up_within_the_timeout(
    sandbox: SandboxServer, gateway: PaymentGateway
) -> None:
    sandbox.set_mode("hang")
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown, match="no whole answer"):
        gateway.capture(_request())
    assert TIMEOUT_SECONDS <= time.monotonic() - started < TIMEOUT_SECONDS + 2


def test_a_bank_that_is_down_leaves_the_outcome_unknown(
    sandbox: SandboxServer, gateway: PaymentGateway
) -> None:
    sandbox.set_mode("down")
    assert _answers(gateway, _request(), 1) == [OutcomeUnknown]


def test_a_refused_connection_moved_nothing() -> None:
    with socket.socket() as bound:  # bound and not listening: connecting is refused
        bound.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{bound.getsockname()[1]}"
        gateway = StripeGateway("sk_test_0", api_base=base, timeout_seconds=TIMEOUT_SECONDS)
        with pytest.raises(Transient, match="cannot be reached") as raised:
            gateway.capture(_request())
        assert not isinstance(raised.value, OutcomeUnknown)
        with pytest.raises(Transient):
            list(gateway.captures())


def test_a_wrong_api_key_is_for_a_person_to_mend(sandbox: SandboxServer) -> None:
    stranger = _gateway(sandbox, "sk_test_stranger")
    with pytest.raises(Permanent, match="API key"):
        stranger.capture(_request())
    with pytest.raises(Permanent):
        list(stranger.captures())


@pytest.mark.parametrize(
    "changes", [{"payment_method": "pm_none"}, {"amount_cents": 0}, {"currency": "EURO"}]
)
def test_an_invalid_request_will_never_work(
    gateway: PaymentGateway, changes: dict[str, object]
) -> None:
    request = _request(**changes)  # type: ignore[arg-type]
    assert _answers(gateway, request, 1) == [Permanent]


def test_a_key_used_with_other_parameters_moves_nothing_more(
    sandbox: SandboxServer, gateway: PaymentGateway
) -> None:
    request = _request()
    gateway.capture(request)
    changed = _request(idempotency_key=request.idempotency_key, amount_cents=1)
    with pytest.raises(Permanent, match="other parameters"):
        gateway.capture(changed)
    assert _moved(sandbox, request) == [4_990]


def test_the_books_are_read_over_all_pages_and_leave_out_what_was_not_paid(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as own:
        gateway = _gateway(own)
        requests = [_request(payment_id=number, amount_cents=number) for number in range(1, 231)]
        for request in requests:
            gateway.capture(request)
        gateway.capture(_request("pm_card_visa_chargeDeclined"))
        captures = list(gateway.captures())
    assert [capture.payment_id for capture in captures] == list(range(230, 0, -1))
    latest = captures[0]
    assert latest == GatewayCapture(
        reference=latest.reference,
        order_number="TM-7K2Q9F",
        payment_id=230,
        idempotency_key=requests[-1].idempotency_key,
        amount_cents=230,
        currency="EUR",
        captured_at=latest.captured_at,
    )
    assert abs(datetime.now(UTC) - latest.captured_at) < timedelta(minutes=1)


def test_the_books_can_be_read_from_a_moment_on(gateway: PaymentGateway) -> None:
    captured = gateway.capture(_request())
    assert isinstance(captured, Captured)
    now = datetime.now(UTC)
    recent = [one.reference for one in gateway.captures(since=now - timedelta(hours=1))]
    assert captured.reference in recent
    assert list(gateway.captures(since=now + timedelta(hours=1))) == []


def test_a_process_keeps_its_gateway_until_the_settings_change_or_it_forks(
    settings: Settings, sandbox: SandboxServer
) -> None:
    settings.STRIPE_API_KEY = sandbox.api_key
    settings.STRIPE_API_BASE = sandbox.base_url
    settings.PAYMENT_TIMEOUT_SECONDS = TIMEOUT_SECONDS
    ours = get_gateway()
    assert get_gateway() is ours
    child = os.fork()
    if child == 0:
        os._exit(0 if get_gateway() is not ours else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    settings.PAYMENT_TIMEOUT_SECONDS = TIMEOUT_SECONDS + 1
    assert get_gateway() is not ours
