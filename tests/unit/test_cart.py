"""The cart's decisions: pure functions, as tables."""

import pytest

from shop.cart import (
    MAX_PER_LINE,
    BadQuantity,
    Cart,
    Entry,
    Offer,
    added,
    build,
    changed,
    read_quantity,
    removed,
)


def offer(sku: str = "MUG", price_cents: int = 2800, available: int = 50) -> Offer:
    return Offer(sku, sku.title(), price_cents, f"/p/{sku.lower()}/", "mug.svg", available)


@pytest.mark.parametrize(("text", "quantity"), [("1", 1), (" 20 ", 20), ("007", 7), ("+3", 3)])
def test_a_whole_number_is_a_quantity(text: str, quantity: int) -> None:
    assert read_quantity(text) == quantity


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "missing"),
        ("   ", "missing"),
        ("two", "not a quantity"),
        ("1.5", "not a quantity"),
        ("1e3", "not a quantity"),
        ("٣", "not a quantity"),
        ("9" * 5000, "not a quantity"),
        ("-3", "too few"),
        ("0", "too few"),
        ("21", "more than one order may hold"),
    ],
)
def test_anything_else_is_refused_and_says_why(text: str, says: str) -> None:
    with pytest.raises(BadQuantity, match=says) as refused:
        read_quantity(text)
    assert len(str(refused.value)) < 160


def test_zero_is_a_quantity_where_it_takes_a_line_out() -> None:
    assert read_quantity("0", lowest=0) == 0
    assert changed({"MUG": Entry(2, 2800)}, "MUG", 0, 2800) == {}


def test_adding_the_same_thing_again_adds_up_at_the_price_seen_last() -> None:
    assert added({"MUG": Entry(2, 2800)}, "MUG", 3, 3000) == {"MUG": Entry(5, 3000)}


def test_a_line_never_grows_beyond_the_limit() -> None:
    full = {"MUG": Entry(18, 2800)}
    assert added(full, "MUG", 2, 2800)["MUG"].quantity == MAX_PER_LINE
    with pytest.raises(BadQuantity, match="up to 2 more"):
        added(full, "MUG", 3, 2800)
    assert full == {"MUG": Entry(18, 2800)}


def test_removing_what_is_not_there_changes_nothing() -> None:
    assert removed({"MUG": Entry(1, 2800)}, "BOWL") == {"MUG": Entry(1, 2800)}


def test_the_total_is_at_todays_price_and_the_change_is_known() -> None:
    cart = build({"MUG": Entry(2, 2800)}, {"MUG": offer(price_cents=3000)})
    assert cart.total_cents == 6000
    assert cart.lines[0].price_changed
    assert cart.lines[0].seen_price_cents == 2800


def test_what_is_no_longer_sold_is_named_and_not_counted() -> None:
    cart = build({"MUG": Entry(1, 2800), "OLD": Entry(4, 100)}, {"MUG": offer()})
    assert cart.gone == ("OLD",)
    assert (cart.units, cart.total_cents) == (1, 2800)


def test_a_line_is_short_when_it_asks_for_more_than_there_is() -> None:
    offers = {"MUG": offer(available=3)}
    assert build({"MUG": Entry(4, 2800)}, offers).lines[0].is_short
    assert not build({"MUG": Entry(3, 2800)}, offers).lines[0].is_short


def test_two_carts_with_the_same_lines_promise_the_same_whatever_their_order() -> None:
    offers = {"MUG": offer(), "BOWL": offer("BOWL", 3400)}
    one = build({"MUG": Entry(1, 2800), "BOWL": Entry(2, 3400)}, offers)
    other = build({"BOWL": Entry(2, 3400), "MUG": Entry(1, 2800)}, offers)
    assert one.seen == other.seen
    assert one.seen != Cart().seen
