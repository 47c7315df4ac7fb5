"""How much is left, in the words that shoppers read. Pure."""

from dataclasses import dataclass

# Above this many units the exact number is nobody's business and would only press people.
FEW = 10


@dataclass(frozen=True, slots=True)
class Stock:
    """`level` is 'plenty', 'few' or 'none'; `units` may be shown only when few."""

    units: int
    level: str
    words: str

    @property
    def can_buy(self) -> bool:
        return self.units > 0


def describe(units: int) -> Stock:
    """Units that can be bought now → words for the page."""
    if units <= 0:
        return Stock(0, "none", "Sold out")
    if units <= FEW:
        return Stock(units, "few", f"Only {units} left")
    return Stock(units, "plenty", "In stock")
