"""Which card numbers this shop takes, and what it tells a shopper about the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from ops.sandbox.payment_methods import PAYMENT_METHODS
from orders.checks import no_live_key
from orders.errors import UnknownCard
from orders.gateways.declines import decline_message
from orders.gateways.payment import Declined
from orders.services.cards import _PUBLISHED, _SANDBOX, Card, test_cards, tokenize

KNOWN = {one.number.replace(" ", "") for one in _PUBLISHED + _SANDBOX}


@pytest.fixture(autouse=True)
def _with_a_sandbox(settings: Settings) -> None:
    settings.STRIPE_API_BASE = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    "written", ["4242424242424242", "4242 4242 4242 4242", " 4242-4242-4242-4242 "]
)
def test_blanks_and_dashes_in_a_number_do_not_count(written: str) -> None:
    assert tokenize(written) == Card("pm_card_visa", "visa", "4242")


def test_every_listed_card_has_a_token_of_its_own_that_the_sandbox_knows() -> None:
    listed = test_cards()
    assert len({one.card.payment_method for one in listed}) == len(listed) == 23
    for one in listed:
        known = PAYMENT_METHODS[one.card.payment_method]
        assert tokenize(one.number) == one.card
        assert (known.brand, known.last4) == (one.card.brand, one.card.last4)


def test_the_real_provider_is_not_offered_the_cards_of_the_sandbox(
    settings: Settings,
) -> None:
    settings.STRIPE_API_BASE = ""
    assert {one.card.brand for one in test_cards()} == {"visa", "mastercard"}
    with pytest.raises(UnknownCard, match="takes no real cards"):
        tokenize("9999 0000 0000 0012")


@given(position=st.integers(0, 15), step=st.integers(1, 9))
def test_one_wrong_digit_is_called_a_typo(position: int, step: int) -> None:
    digits = list("4242424242424242")
    digits[position] = str((int(digits[position]) + step) % 10)
    with pytest.raises(UnknownCard, match="has a typo"):
        tokenize("".join(digits))


@pytest.mark.parametrize(
    ("number", "says"),
    [
        ("", "is missing"),
        (" - ", "is missing"),
        ("4242", "12 to 19 digits"),
        ("4242 4242 4242 424x", "12 to 19 digits"),
        ("٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", "12 to 19 digits"),
        ("4" * 40, "12 to 19 digits"),
        ("4111 1111 1111 1111", "takes no real cards"),
    ],
)
def test_a_number_that_is_no_test_card_is_refused_kindly(number: str, says: str) -> None:
    with pytest.raises(UnknownCard, match=says):
        tokenize(number)


@given(st.text("0123456789", min_size=12, max_size=19).filter(lambda one: one not in KNOWN))
def test_a_refusal_never_repeats_the_number(number: str) -> None:
    with pytest.raises(UnknownCard) as refusal:
        tokenize(number)
    assert number not in str(refusal.value)
    assert number[-4:] not in str(refusal.value)


def test_a_lost_card_reads_like_any_other_refusal() -> None:
    assert decline_message("stolen_card") == decline_message("card_declined")
    assert Declined("pi_1", "expired_card").message == decline_message("expired_card")


@pytest.mark.parametrize("kind", ["sk", "rk", "pk"])
def test_a_live_key_stops_the_shop_from_starting(kind: str, settings: Settings) -> None:
    settings.STRIPE_API_KEY = f"{kind}_live_0"
    assert [error.id for error in no_live_key()] == ["orders.E001"]


def test_a_test_key_passes_the_check(settings: Settings) -> None:
    settings.STRIPE_API_KEY = "sk_test_0"
    assert no_live_key() == []
