"""What changed since the shopper looked at the checkout page. Pure: no I/O."""

import re
from collections.abc import Iterable, Mapping

from shop.cart import Cart, Line
from shop.money import display_price

_SEEN_LINE = re.compile(r"([A-Z0-9-]{1,40})~([0-9]{1,3})~([0-9]{1,9})", re.ASCII)
_MOST_LINES = 200


def differences(seen: str, cart: Cart, titles: Mapping[str, str]) -> tuple[str, ...]:
    """Sentences that name what differs between the page the shopper saw and the cart now.

    `seen` is Cart.seen as that page carried it, `titles` names SKUs that left the cart since.
    Empty when nothing differs.
    """
    if seen == cart.seen:
        return ()
    before = read_seen(seen)
    if before is None:
        return ("We could not tell what this page had shown you. Please check the lines below.",)
    now = {line.offer.sku: line for line in cart.lines}
    left = (
        f"{titles.get(sku, sku)} is no longer in your cart." for sku in before if sku not in now
    )
    return (*left, *_sentences(before, now.values()))


def read_seen(seen: str) -> dict[str, tuple[int, int]] | None:
    """SKU → (quantity, price in cents) of a `Cart.seen`; None when it is not one."""
    parts = [_SEEN_LINE.fullmatch(part) for part in seen.split("|")]
    if len(parts) > _MOST_LINES or not all(parts):
        return None
    return {part[1]: (int(part[2]), int(part[3])) for part in parts if part}


def _sentences(before: Mapping[str, tuple[int, int]], lines: Iterable[Line]) -> list[str]:
    found = []
    for line in lines:
        title, price = line.offer.title, line.offer.price_cents
        if line.offer.sku not in before:
            found.append(f"{title} was added to your cart.")
            continue
        quantity, old_price = before[line.offer.sku]
        if price != old_price:
            new, old = display_price(price), display_price(old_price)
            found.append(f"{title} now costs {new}; the page showed {old}.")
        if line.quantity != quantity:
            found.append(f"Your cart now holds {line.quantity} of {title}, not {quantity}.")
    return found
