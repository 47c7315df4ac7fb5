"""What changed between the page that the shopper saw and the cart as it is now."""

from hypothesis import given
from hypothesis import strategies as st

from shop.cart import Cart, Entry, Offer, build
from shop.seen import differences, read_seen


def cart(**lines: tuple[int, int]) -> Cart:
    """A cart of SKU → (quantity, price in cents)."""
    return build(
        {sku: Entry(*line) for sku, line in lines.items()},
        {
            sku: Offer(sku, f"The {sku.lower()}", price, "/", "", 50)
            for sku, (_, price) in lines.items()
        },
    )


def test_nothing_differs_from_what_was_just_drawn() -> None:
    drawn = cart(MUG=(2, 2800), BOWL=(1, 3400))
    assert differences(drawn.seen, drawn, {}) == ()


def test_a_new_price_is_named_with_the_old_one() -> None:
    (sentence,) = differences(cart(MUG=(2, 2800)).seen, cart(MUG=(2, 3000)), {})
    assert sentence == "The mug now costs €\u00a030.00; the page showed €\u00a028.00."


def test_a_new_quantity_is_named() -> None:
    (sentence,) = differences(cart(MUG=(2, 2800)).seen, cart(MUG=(5, 2800)), {})
    assert sentence == "Your cart now holds 5 of The mug, not 2."


def test_what_came_and_what_left_are_named() -> None:
    before, now = cart(MUG=(1, 2800), OLD=(1, 100)), cart(MUG=(1, 2800), BOWL=(1, 3400))
    assert differences(before.seen, now, {"OLD": "The old lamp"}) == (
        "The old lamp is no longer in your cart.",
        "The bowl was added to your cart.",
    )


def test_a_price_and_a_quantity_can_change_at_once() -> None:
    assert len(differences(cart(MUG=(1, 2800)).seen, cart(MUG=(2, 2900)), {})) == 2


@given(st.text(max_size=60))
def test_no_text_that_is_not_this_cart_passes_for_it(text: str) -> None:
    now = cart(MUG=(2, 2800))
    same = read_seen(text) == {"MUG": (2, 2800)}
    assert (differences(text, now, {}) == ()) == same


def test_a_mangled_field_is_a_difference_of_its_own() -> None:
    for text in ("", "MUG", "MUG~x~1", "MUG~1~2800|", "|".join(["MUG~1~1"] * 201)):
        (sentence,) = differences(text, cart(MUG=(1, 2800)), {})
        assert "check the lines" in sentence
