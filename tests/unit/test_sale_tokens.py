"""Who somebody is and which place they have cannot be made up, borrowed or kept for ever."""

import pytest

from shop.flash_sales.tokens import (
    NO_PLACE,
    TOKEN_LIFE_SECONDS,
    Place,
    TokenRefused,
    Why,
    mint_person,
    read_person,
    read_place,
    sign_place,
)


def why(act: object, *arguments: object) -> Why:
    with pytest.raises(TokenRefused) as refused:
        act(*arguments)  # type: ignore[operator]  # one of the readers
    return refused.value.why


def test_two_who_come_are_two_persons_and_each_stays_the_same() -> None:
    ada, bob = mint_person(7), mint_person(7)

    assert read_person(ada, 7) == read_person(ada, 7) != read_person(bob, 7)


@pytest.mark.parametrize("token", ["", "x", "7.made-up.1:x", "7.made-up.1"])
def test_a_token_that_we_did_not_sign_is_forged(token: str) -> None:
    assert why(read_person, token, 7) == Why.FORGED


def test_a_token_with_one_letter_changed_is_forged() -> None:
    token = mint_person(7)
    changed = token.replace("7.", "8.", 1)

    assert why(read_person, changed, 8) == Why.FORGED


def test_a_token_of_another_sale_is_refused() -> None:
    assert why(read_person, mint_person(7), 8) == Why.REUSED


def test_a_token_does_not_last_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shop.flash_sales.tokens.time.time", lambda: 1_000.0)
    token = mint_person(7)
    monkeypatch.setattr("shop.flash_sales.tokens.time.time", lambda: 1_001.0 + TOKEN_LIFE_SECONDS)

    assert why(read_person, token, 7) == Why.OLD


def test_a_place_is_read_back_by_its_person() -> None:
    signed = sign_place(7, 1, "visitor:ada", Place(12, 99))

    assert read_place(signed, 7, 1, "visitor:ada") == Place(12, 99)
    assert read_place("", 7, 1, "visitor:ada") == NO_PLACE


@pytest.mark.parametrize(
    ("sale", "item", "person"), [(8, 1, "visitor:ada"), (7, 2, "visitor:ada"), (7, 1, "visitor:b")]
)
def test_a_place_that_was_given_elsewhere_or_to_another_is_refused(
    sale: int, item: int, person: str
) -> None:
    signed = sign_place(7, 1, "visitor:ada", Place(12))

    assert why(read_place, signed, sale, item, person) == Why.REUSED


def test_a_better_place_cannot_be_made_up() -> None:
    signed = sign_place(7, 1, "visitor:ada", Place(12)).replace("ada.12", "ada.1")

    assert why(read_place, signed, 7, 1, "visitor:ada") == Why.FORGED


def test_a_persons_token_is_no_place() -> None:
    assert why(read_place, mint_person(7), 7, 1, "visitor:ada") == Why.FORGED
