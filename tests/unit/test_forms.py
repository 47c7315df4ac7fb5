"""The checkout's fields: what is accepted, what is said, what is never written back."""

from datetime import date

import pytest

from shop.forms import CardForm, CheckoutForm, has_expired

CARD = {"card_number": "4242 4242 4242 4242", "card_expiry": "12/39", "card_cvc": "123"}
GOOD = {
    **CARD,
    "email": "ada@example.org",
    "name": "Ada Lovelace",
    "line1": "Havenkade 12",
    "line2": "",
    "postcode": "1011 AB",
    "city": "Amsterdam",
    "country": "NL",
}


def errors(form: CardForm) -> dict[str, str]:
    return {name: str(said[0]) for name, said in form.errors.items()}


def test_a_complete_form_is_taken_and_carries_a_token_instead_of_the_number() -> None:
    form = CheckoutForm(GOOD)
    assert form.is_valid()
    assert form.card.last4 == "4242"
    assert "4242 4242" not in repr(form.cleaned_data)


def test_an_empty_form_says_something_at_every_field_that_is_needed() -> None:
    assert set(errors(CheckoutForm({}))) == set(GOOD) - {"line2"}


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("email", "ada@", "looks like"),
        ("email", "ada\x00@example.org", ""),
        ("name", "   ", "Who gets the parcel"),
        ("name", "x" * 121, "shorten"),
        ("country", "XX", "do not ship"),
        ("card_number", "4111", "12 to 19 digits"),
        ("card_number", "4242 4242 4242 4241", "typo"),
        ("card_number", "4111 1111 1111 1111", "no real cards"),
        ("card_expiry", "13/39", "MM/YY"),
        ("card_expiry", "1239x", "MM/YY"),
        ("card_expiry", "01/20", "expired"),
        ("card_cvc", "12", "3 or 4 digits"),
        ("card_cvc", "12a", "3 or 4 digits"),
        ("card_cvc", "١٢٣", "3 or 4 digits"),
    ],
)
def test_a_wrong_value_is_explained_at_its_own_field(field: str, value: str, says: str) -> None:
    said = errors(CheckoutForm({**GOOD, field: value}))
    assert set(said) == {field}
    assert says in said[field]


@pytest.mark.parametrize("text", ["12/39", "12/2039", "1239", "12 / 39", " 12/39 "])
def test_an_expiry_date_may_be_written_in_the_usual_ways(text: str) -> None:
    form = CheckoutForm({**GOOD, "card_expiry": text})
    assert form.is_valid()
    assert form.cleaned_data["card_expiry"] == "12/39"


@pytest.mark.parametrize(
    ("month", "year", "expired"),
    [(10, 2026, True), (11, 2026, False), (12, 2026, False), (1, 2027, False), (12, 2025, True)],
)
def test_a_card_is_good_until_the_end_of_its_month(month: int, year: int, expired: bool) -> None:
    assert has_expired(month, year, date(2026, 11, 30)) is expired


def test_number_and_cvc_are_never_written_back_into_the_page() -> None:
    drawn = str(CheckoutForm({**GOOD, "card_cvc": "987", "country": ""}))
    assert "Havenkade 12" in drawn
    assert "4242" not in drawn
    assert "987" not in drawn


def test_an_error_is_tied_to_its_field_for_screen_readers() -> None:
    drawn = str(CheckoutForm({**GOOD, "email": ""})["email"])
    assert 'aria-invalid="true"' in drawn
    assert "id_email_error" in drawn
