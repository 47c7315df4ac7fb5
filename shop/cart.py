"""What a shopper means to buy: lines, quantities, totals. Pure: no I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_PER_LINE = 20
SKU = re.compile(r"[A-Z0-9]+(-[A-Z0-9]+)*", re.ASCII)


class BadQuantity(Exception):
    """The quantity cannot be put into a cart. The message is fit for the shopper."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the session keeps of a line: how many, and the price that the shopper saw (cents)."""

    quantity: int
    seen_price_cents: int


@dataclass(frozen=True, slots=True)
class Offer:
    """What the catalogue says about a SKU at this moment; price in cents."""

    sku: str
    title: str
    price_cents: int
    url: str
    picture: str
    available: int


@dataclass(frozen=True, slots=True)
class Line:
    offer: Offer
    quantity: int
    seen_price_cents: int

    @property
    def total_cents(self) -> int:
        return self.offer.price_cents * self.quantity

    @property
    def price_changed(self) -> bool:
        return self.offer.price_cents != self.seen_price_cents

    @property
    def is_short(self) -> bool:
        return self.offer.available < self.quantity


@dataclass(frozen=True, slots=True)
class Cart:
    """Lines that can be bought at today's price; `gone` are SKUs that are no longer sold."""

    lines: tuple[Line, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def total_cents(self) -> int:
        return sum(line.total_cents for line in self.lines)

    @property
    def units(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def seen(self) -> str:
        """What a page that shows this cart promises: `SKU~quantity~cents` per line, by SKU."""
        return "|".join(
            f"{line.offer.sku}~{line.quantity}~{line.offer.price_cents}"
            for line in sorted(self.lines, key=lambda line: line.offer.sku)
        )


def build(entries: Mapping[str, Entry], offers: Mapping[str, Offer]) -> Cart:
    """Join what was chosen with what is sold now."""
    return Cart(
        lines=tuple(
            Line(offers[sku], entry.quantity, entry.seen_price_cents)
            for sku, entry in entries.items()
            if sku in offers
        ),
        gone=tuple(sku for sku in entries if sku not in offers),
    )


def read_quantity(text: str, *, lowest: int = 1) -> int:
    """A whole number from `lowest` to MAX_PER_LINE. Raises BadQuantity."""
    cleaned = text.strip()
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", cleaned, re.ASCII):
        raise BadQuantity(
            f"“{cleaned[:20]}” is not a quantity. Choose a whole number from 1 to {MAX_PER_LINE}."
            if cleaned
            else f"The quantity is missing. Choose a whole number from 1 to {MAX_PER_LINE}."
        )
    return _checked(int(cleaned), lowest)


def added(
    entries: Mapping[str, Entry], sku: str, quantity: int, price_cents: int
) -> dict[str, Entry]:
    """The cart with `quantity` more of the SKU. Raises BadQuantity above MAX_PER_LINE."""
    held = entries[sku].quantity if sku in entries else 0
    if held + quantity > MAX_PER_LINE:
        raise BadQuantity(
            f"Your cart already holds {held} of this, and {MAX_PER_LINE} is the most per order. "
            f"You can add up to {MAX_PER_LINE - held} more."
            if held
            else f"{quantity} is more than one order may hold. Choose up to {MAX_PER_LINE}."
        )
    return {**entries, sku: Entry(held + quantity, price_cents)}


def changed(
    entries: Mapping[str, Entry], sku: str, quantity: int, price_cents: int
) -> dict[str, Entry]:
    """The cart with exactly `quantity` of the SKU; 0 takes it out."""
    if quantity == 0:
        return removed(entries, sku)
    return {**entries, sku: Entry(quantity, price_cents)}


def removed(entries: Mapping[str, Entry], sku: str) -> dict[str, Entry]:
    return {kept: entry for kept, entry in entries.items() if kept != sku}


def _checked(quantity: int, lowest: int) -> int:
    if quantity < lowest:
        raise BadQuantity(f"{quantity} is too few. Choose a whole number from 1 to {MAX_PER_LINE}.")
    if quantity > MAX_PER_LINE:
        raise BadQuantity(
            f"{quantity} is more than one order may hold. Choose up to {MAX_PER_LINE}."
        )
    return quantity
