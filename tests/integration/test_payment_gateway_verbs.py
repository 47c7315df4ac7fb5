"""Looking up, cancelling, giving back, the bank's own check: the adapter against the sandbox."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from orders.gateways.payment import (
    ActionRequired,
    Captured,
    CaptureRequest,
    Declined,
    NotFound,
    Refunded,
    RefundPending,
    RefundRefused,
    RefundRequest,
    Voided,
)
from orders.gateways.stripe_errors import is_sick
from orders.gateways.stripe_gateway import StripeGateway
from tasks.errors import OutcomeUnknown, Permanent, Transient
from tests.contract.waiting import wait_until
from tests.integration.sandbox_server import SandboxServer, running_sandbox

TIMEOUT_SECONDS = 0.8
RETURN_URL = "http://127.0.0.1:1/orders/abc/?from=bank"
CHECKED = "pm_card_authenticationRequired"
CHECKED_WITHOUT_MONEY = "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    folder = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(folder, hang_seconds=30, slow_seconds=1) as server:
        yield server


@pytest.fixture
def gateway(sandbox: SandboxServer) -> Iterator[StripeGateway]:
    yield StripeGateway(sandbox.api_key, api_base=sandbox.base_url, timeout_seconds=TIMEOUT_SECONDS)
    sandbox.set_mode("ok")


def wish(payment_method: str = "pm_card_visa", *, payment_id: int = 42) -> CaptureRequest:
    return CaptureRequest(
        idempotency_key=str(uuid.uuid4()),
        amount_cents=4_990,
        currency="EUR",
        payment_method=payment_method,
        order_number="TM-7K2Q9F",
        payment_id=payment_id,
        description="Order <TM-7K2Q9F>",
        return_url=RETURN_URL,
    )


def captured(gateway: StripeGateway, payment_method: str = "pm_card_visa") -> Captured:
    answer = gateway.capture(wish(payment_method))
    assert isinstance(answer, Captured)
    return answer


def to_the_bank(gateway: StripeGateway, request: CaptureRequest) -> ActionRequired:
    answer = gateway.capture(request)
    assert isinstance(answer, ActionRequired)
    return answer


def back(payment: Captured, amount_cents: int = 1_000, *, refund_id: int = 7) -> RefundRequest:
    return RefundRequest(
        idempotency_key=str(uuid.uuid4()),
        payment_reference=payment.reference,
        amount_cents=amount_cents,
        currency="EUR",
        order_number="TM-7K2Q9F",
        payment_id=42,
        refund_id=refund_id,
    )


def moved(sandbox: SandboxServer, reference: str, kind: str = "capture") -> list[int]:
    return [
        movement["amount_cents"]
        for movement in sandbox.movements()
        if (movement["payment_intent"], movement["kind"]) == (reference, kind)
    ]


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


# -- the bank's own check ---------------------------------------------------------------------
def test_a_shopper_who_says_that_it_is_them_is_charged_once_and_sent_back(
    sandbox: SandboxServer, gateway: StripeGateway
) -> None:
    request = wish(CHECKED)
    check = to_the_bank(gateway, request)
    assert moved(sandbox, check.reference) == []

    first = sandbox.authenticate(check.redirect_url, is_me=True)
    again = sandbox.authenticate(check.redirect_url, is_me=True)
    too_late = sandbox.authenticate(check.redirect_url, is_me=False)

    assert first == again == too_late
    assert first.startswith("http://127.0.0.1:1/orders/abc/?from=bank&")
    assert parse_qs(urlsplit(first).query)["redirect_status"] == ["succeeded"]
    # Stripe would repeat the kept 'requires_action' for this key; the truth has moved on.
    answer = gateway.capture(request)
    assert isinstance(answer, Captured)
    assert (answer.reference, answer.card_last4) == (check.reference, "3184")
    assert moved(sandbox, check.reference) == [4_990]
    books = [one for one in sandbox.movements() if one["payment_intent"] == check.reference]
    assert [one["idempotency_key"] for one in books] == [request.idempotency_key]


def test_asking_again_while_the_shopper_is_at_the_bank_names_the_same_page(
    gateway: StripeGateway,
) -> None:
    request = wish(CHECKED)
    assert to_the_bank(gateway, request) == to_the_bank(gateway, request)


@pytest.mark.parametrize(
    ("token", "is_me", "code", "says"),
    [
        (CHECKED, False, "payment_intent_authentication_failure", "could not make sure"),
        (CHECKED_WITHOUT_MONEY, True, "insufficient_funds", "not enough money"),
    ],
)
def test_a_check_that_fails_is_a_refusal_in_plain_words(
    sandbox: SandboxServer,
    gateway: StripeGateway,
    token: str,
    is_me: bool,
    code: str,
    says: str,
) -> None:
    request = wish(token)
    check = to_the_bank(gateway, request)
    back_at = sandbox.authenticate(check.redirect_url, is_me=is_me)

    assert parse_qs(urlsplit(back_at).query)["redirect_status"] == ["failed"]
    answer = gateway.capture(request)
    assert isinstance(answer, Declined)
    assert (answer.reference, answer.code) == (check.reference, code)
    assert says in answer.message
    assert moved(sandbox, check.reference) == []


def test_the_bank_shows_what_it_asks_for_and_escapes_it(
    sandbox: SandboxServer, gateway: StripeGateway
) -> None:
    check = to_the_bank(gateway, wish(CHECKED))
    page = httpx.get(check.redirect_url, trust_env=False).text
    assert "49.90 EUR" in page
    assert "&lt;TM-7K2Q9F&gt;" in page
    assert page.count("<button") == 2

    nothing = f"{sandbox.base_url}/sandbox/3ds/pi_none"
    assert httpx.get(nothing, trust_env=False).status_code == 404
    assert httpx.post(check.redirect_url, data={}, trust_env=False).status_code == 400


@pytest.mark.parametrize("token", ["pm_card_visa", CHECKED])
def test_a_shop_that_has_moved_meanwhile_is_told_what_its_key_has_led_to(
    sandbox: SandboxServer, gateway: StripeGateway, token: str
) -> None:
    request = wish(token, payment_id=uuid.uuid4().int % 10**9)
    first = gateway.capture(request)
    moved_house = replace(request, return_url="http://127.0.0.1:2/orders/abc/")

    assert gateway.capture(moved_house) == first
    with pytest.raises(Permanent, match="other parameters"):
        gateway.capture(replace(request, amount_cents=1))
    with pytest.raises(Permanent, match="other parameters"):
        gateway.capture(replace(request, payment_id=request.payment_id + 1))
    intents = {one["payment_intent"] for one in sandbox.movements()}
    assert (first.reference in intents) is isinstance(first, Captured)


def test_a_check_that_has_no_page_is_closed_and_refused(
    sandbox: SandboxServer, gateway: StripeGateway
) -> None:
    request = wish(CHECKED)
    nowhere = replace(request, return_url="")
    answer = gateway.capture(nowhere)
    assert isinstance(answer, Declined)
    assert answer.code == "authentication_required"
    assert gateway.capture(nowhere) == Declined(answer.reference, "canceled")
    assert moved(sandbox, answer.reference) == []


# -- looking up -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("pm_card_visa", Captured),
        ("pm_card_visa_chargeDeclined", Declined),
        (CHECKED, ActionRequired),
    ],
)
def test_a_payment_is_found_by_its_reference_and_without_one(
    gateway: StripeGateway, token: str, kind: type
) -> None:
    request = wish(token, payment_id=uuid.uuid4().int % 10**9)
    answer = gateway.capture(request)
    assert isinstance(answer, kind)
    for reference in (answer.reference, ""):
        found = gateway.look_up(
            payment_id=request.payment_id, reference=reference, since=an_hour_ago()
        )
        assert found == answer


def test_money_that_moved_while_we_heard_nothing_is_found(gateway: StripeGateway) -> None:
    request = wish("pm_sandbox_drop", payment_id=uuid.uuid4().int % 10**9)
    with pytest.raises(OutcomeUnknown):
        gateway.capture(request)
    found = gateway.look_up(payment_id=request.payment_id, reference="", since=an_hour_ago())
    assert isinstance(found, Captured)


def test_of_several_intents_for_one_payment_the_one_that_took_money_is_told(
    gateway: StripeGateway,
) -> None:
    number = uuid.uuid4().int % 10**9
    for token in ("pm_card_visa", "pm_card_visa_chargeDeclined", CHECKED):
        gateway.capture(wish(token, payment_id=number))
    found = gateway.look_up(payment_id=number, reference="", since=an_hour_ago())
    assert isinstance(found, Captured)


def test_what_was_never_asked_for_is_not_found(gateway: StripeGateway) -> None:
    assert gateway.look_up(payment_id=4, reference="pi_none", since=an_hour_ago()) == NotFound()
    assert gateway.look_up(payment_id=10**9, reference="", since=an_hour_ago()) == NotFound()
    later = datetime.now(UTC) + timedelta(hours=1)
    gateway.capture(wish(payment_id=10**9 + 1))
    assert gateway.look_up(payment_id=10**9 + 1, reference="", since=later) == NotFound()


def test_books_that_cannot_be_read_leave_nothing_unknown_and_count_as_sick(
    sandbox: SandboxServer, gateway: StripeGateway
) -> None:
    payment = captured(gateway)
    sandbox.set_mode("down")
    looks = (
        lambda: gateway.look_up(payment_id=1, reference=payment.reference, since=an_hour_ago()),
        lambda: gateway.look_up_refund(
            refund_id=1, reference="", payment_reference=payment.reference
        ),
        lambda: list(gateway.refunds()),
    )
    for look in looks:
        with pytest.raises(Transient) as raised:
            look()
        assert not isinstance(raised.value, OutcomeUnknown)
        assert is_sick(raised.value)


# -- cancelling -------------------------------------------------------------------------------
def test_a_payment_that_waits_for_the_shopper_can_be_cancelled_any_number_of_times(
    sandbox: SandboxServer, gateway: StripeGateway
) -> None:
    request = wish(CHECKED)
    check = to_the_bank(gateway, request)
    for _ in range(2):
        assert gateway.void(check.reference, "cancel") == Voided(check.reference)
    found = gateway.look_up(payment_id=42, reference=check.reference, since=an_hour_ago())
    assert found == Voided(check.reference)

    late = sandbox.authenticate(check.redirect_url, is_me=True)
    assert parse_qs(urlsplit(late).query)["redirect_status"] == ["failed"]
    assert moved(sandbox, check.reference) == []
    assert isinstance(gateway.capture(request), Declined)


def test_a_cancellation_that_comes_after_the_money_says_so(
    sandbox: SandboxServer, gateway: StripeGateway
) -> None:
    check = to_the_bank(gateway, wish(CHECKED))
    sandbox.authenticate(check.redirect_url, is_me=True)
    answer = gateway.void(check.reference, str(uuid.uuid4()))
    assert isinstance(answer, Captured)
    assert answer.amount_cents == 4_990


def test_a_refused_payment_needs_no_cancelling(
    sandbox: SandboxServer, gateway: StripeGateway
) -> None:
    check = to_the_bank(gateway, wish(CHECKED))
    sandbox.authenticate(check.redirect_url, is_me=False)
    assert isinstance(gateway.void(check.reference, str(uuid.uuid4())), Declined)


def test_a_cancellation_that_was_not_answered_is_asked_again(gateway: StripeGateway) -> None:
    check, key = to_the_bank(gateway, wish("pm_sandbox_void_timeout")), str(uuid.uuid4())
    with pytest.raises(OutcomeUnknown) as raised:
        gateway.void(check.reference, key)
    assert is_sick(raised.value)
    assert gateway.void(check.reference, key) == Voided(check.reference)


def test_an_intent_that_does_not_exist_is_for_a_person(gateway: StripeGateway) -> None:
    with pytest.raises(Permanent) as raised:
        gateway.void("pi_none", "k")
    assert is_sick(raised.value) is False


# -- giving back ------------------------------------------------------------------------------
def test_money_goes_back_once_however_often_it_is_asked_for(
    sandbox: SandboxServer, gateway: StripeGateway
) -> None:
    payment = captured(gateway)
    request = back(payment)
    first, again = gateway.refund(request), gateway.refund(request)
    assert isinstance(first, Refunded)
    assert first == again
    assert first.amount_cents == 1_000
    assert moved(sandbox, payment.reference, "refund") == [1_000]


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after", "error_500_after"])
def test_a_bank_that_fails_is_asked_again_with_the_same_key_and_gives_back_once(
    sandbox: SandboxServer, gateway: StripeGateway, fault: str
) -> None:
    payment = captured(gateway, f"pm_sandbox_refund_{fault}")
    request = back(payment)
    with pytest.raises(OutcomeUnknown) as raised:
        gateway.refund(request)
    assert is_sick(raised.value)
    found = gateway.look_up_refund(refund_id=7, reference="", payment_reference=payment.reference)
    assert isinstance(found, NotFound if fault == "timeout_before" else Refunded)
    assert isinstance(gateway.refund(request), Refunded)
    assert moved(sandbox, payment.reference, "refund") == [1_000]


def test_a_refusal_to_give_back_is_an_answer_and_final_for_its_key(
    sandbox: SandboxServer, gateway: StripeGateway
) -> None:
    disputed = captured(gateway, "pm_sandbox_refund_refused")
    request = back(disputed)
    refused = gateway.refund(request)
    assert isinstance(refused, RefundRefused)
    assert refused.code == "charge_disputed"
    again = gateway.refund(request)
    assert isinstance(again, RefundRefused)
    assert again.code == refused.code
    assert moved(sandbox, disputed.reference, "refund") == []


def test_more_than_was_taken_is_refused(sandbox: SandboxServer, gateway: StripeGateway) -> None:
    payment = captured(gateway)
    assert isinstance(gateway.refund(back(payment, 4_991)), RefundRefused)
    assert isinstance(gateway.refund(back(payment, 4_990)), Refunded)
    refused = gateway.refund(back(payment, 1))
    assert isinstance(refused, RefundRefused)
    assert refused.code == "charge_already_refunded"
    assert moved(sandbox, payment.reference, "refund") == [4_990]


def test_a_refund_of_nothing_known_and_a_wrong_account_are_for_a_person(
    sandbox: SandboxServer, gateway: StripeGateway
) -> None:
    payment = captured(gateway)
    unknown = Captured("pi_none", 1, "EUR", "", "")
    stranger = StripeGateway(
        "sk_test_stranger", api_base=sandbox.base_url, timeout_seconds=TIMEOUT_SECONDS
    )
    with pytest.raises(Permanent):
        gateway.refund(back(unknown))
    with pytest.raises(Permanent):
        stranger.refund(back(payment))


@pytest.mark.parametrize(
    ("fate", "kind", "money"), [("pending", Refunded, [1_000]), ("fails", RefundRefused, [])]
)
def test_a_pending_refund_is_looked_up_until_it_is_known(
    sandbox: SandboxServer, gateway: StripeGateway, fate: str, kind: type, money: list[int]
) -> None:
    payment = captured(gateway, f"pm_sandbox_refund_{fate}")
    request = back(payment)
    pending = gateway.refund(request)
    assert isinstance(pending, RefundPending)
    assert moved(sandbox, payment.reference, "refund") == []
    # It reserves what it will take.
    assert isinstance(gateway.refund(back(payment, 4_000, refund_id=8)), RefundRefused)

    def found() -> object:
        return gateway.look_up_refund(
            refund_id=7, reference=pending.reference, payment_reference=payment.reference
        )

    wait_until(lambda: not isinstance(found(), RefundPending), seconds=10)
    assert isinstance(found(), kind)
    assert moved(sandbox, payment.reference, "refund") == money
    in_books = [one.reference for one in gateway.refunds(since=an_hour_ago())]
    assert (pending.reference in in_books) is bool(money)


def test_a_refund_is_found_among_those_of_its_payment_by_our_id(gateway: StripeGateway) -> None:
    payment = captured(gateway)
    references = {}
    for number in (1, 2):
        answer = gateway.refund(back(payment, 100 * number, refund_id=number))
        assert isinstance(answer, Refunded)
        references[number] = answer.reference

    def found(number: int) -> object:
        return gateway.look_up_refund(
            refund_id=number, reference="", payment_reference=payment.reference
        )

    assert found(2) == Refunded(references[2], 200)
    assert found(3) == NotFound()
    by_name = gateway.look_up_refund(refund_id=9, reference="re_none", payment_reference="pi_none")
    assert by_name == NotFound()


def test_the_refunds_in_the_books_say_whose_they_are(gateway: StripeGateway) -> None:
    payment = captured(gateway)
    request = back(payment, 300, refund_id=77)
    answer = gateway.refund(request)
    assert isinstance(answer, Refunded)
    (ours,) = [
        one
        for one in gateway.refunds(since=an_hour_ago())
        if one.payment_reference == payment.reference
    ]
    assert (ours.reference, ours.order_number, ours.payment_id, ours.refund_id) == (
        answer.reference,
        "TM-7K2Q9F",
        42,
        77,
    )
    assert (ours.amount_cents, ours.currency, ours.status) == (300, "EUR", "succeeded")
    assert ours.idempotency_key == request.idempotency_key
    assert list(gateway.refunds(since=datetime.now(UTC) + timedelta(hours=1))) == []
