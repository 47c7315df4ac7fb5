"""Units of an order's lines, chosen by a person: checked once, for parcels, refunds and returns."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from orders.errors import OrderError
from orders.models import OrderLine


@dataclass(frozen=True, slots=True)
class LineQuantity:
    """``quantity`` units (1 or more) of the line with this id."""

    line_id: int
    quantity: int


def choose(
    lines: Iterable[OrderLine],
    wanted: Iterable[LineQuantity],
    *,
    limit: Callable[[OrderLine], int],
    refusal: type[OrderError],
    to_be: str,
) -> dict[OrderLine, int]:
    """Units per line, in the order of the SKUs; all that the limit allows when none are named.

    Pure. Raises ``refusal``, in words for people (``to_be``: 'shipped'), when a line is not the
    order's, is named with less than one unit or more than ``limit`` allows, or when nothing is
    left.
    """
    known = {line.pk: line for line in sorted(lines, key=lambda line: line.sku)}
    asked: dict[int, int] = {}
    for item in wanted:
        if item.line_id not in known:
            raise refusal("That line is not part of this order. Load the page again.")
        if item.quantity < 1:
            raise refusal(f"{known[item.line_id].title}: choose one unit or more.")
        asked[item.line_id] = asked.get(item.line_id, 0) + item.quantity
    if not asked:
        asked = {pk: limit(line) for pk, line in known.items() if limit(line) > 0}
    if not asked:
        raise refusal(f"Nothing is left of this order that could be {to_be}.")
    for pk, quantity in asked.items():
        if quantity > limit(known[pk]):
            raise refusal(
                f"{known[pk].title}: {quantity} were to be {to_be}, but only "
                f"{limit(known[pk])} can be. Choose fewer."
            )
    return {line: asked[pk] for pk, line in known.items() if pk in asked}
