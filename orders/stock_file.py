"""A file of what happened on the shelf: what a row means, and whether it can be. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

MOST_ROWS = 500
MOST_BYTES = 262_144
COLUMNS = ("sku", "action", "quantity", "reason")
_MOST_UNITS = 1_000_000
_SKU_LENGTH = 64
_REASON_LENGTH = 200


class Action(StrEnum):
    RECEIVE = "receive"
    CORRECT = "correct"
    WRITE_OFF = "write_off"


class BadRow(ValueError):
    """This row cannot be done. ``column``: where the mistake is; the message says what to do."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


@dataclass(frozen=True, slots=True)
class StockRow:
    """``quantity`` as it was written: units, negative only for a correction."""

    sku: str
    action: Action
    quantity: int
    reason: str

    @property
    def change(self) -> int:
        """Units that the shelf gains."""
        return -self.quantity if self.action is Action.WRITE_OFF else self.quantity


@dataclass(frozen=True, slots=True)
class Shelf:
    on_hand: int = 0
    held: int = 0


def read_row(cells: Mapping[str, object]) -> StockRow:
    """Raises BadRow for the first mistake."""
    sku, action, quantity, reason = (str(cells.get(name) or "").strip() for name in COLUMNS)
    if not sku:
        raise BadRow("sku", "Name the SKU.")
    if len(sku) > _SKU_LENGTH:
        raise BadRow("sku", f"A SKU has {_SKU_LENGTH} characters at most.")
    if action not in set(Action):
        raise BadRow("action", f"'{action}' is not known. Write {', '.join(Action)}.")
    if len(reason) > _REASON_LENGTH:
        raise BadRow("reason", f"A reason has {_REASON_LENGTH} characters at most.")
    if not reason and action != Action.RECEIVE:
        raise BadRow("reason", "Say why the stock changes. The ledger keeps it.")
    return StockRow(sku, Action(action), _units(quantity, Action(action)), reason)


def shelf_after(row: StockRow, shelf: Shelf | None) -> Shelf:
    """The shelf once the row is done; ``shelf`` is None for a SKU that was never in stock.

    Raises BadRow when the row cannot be done.
    """
    if shelf is None:
        if row.action is not Action.RECEIVE:
            raise BadRow("sku", f"{row.sku} has never been in stock here. Receive it first.")
        shelf = Shelf()
    free = shelf.on_hand - shelf.held
    if row.change < -free:
        raise BadRow(
            "quantity",
            f"{-row.change} units cannot go, only {free} are not kept for an order. "
            "Take fewer, or cancel orders first.",
        )
    return replace(shelf, on_hand=shelf.on_hand + row.change)


def _units(text: str, action: Action) -> int:
    try:
        units = int(text)
    except ValueError:
        raise BadRow("quantity", f"'{text}' is not a whole number.") from None
    if not 0 < abs(units) <= _MOST_UNITS:
        raise BadRow("quantity", f"Write a number from 1 to {_MOST_UNITS:,}.")
    if units < 0 and action is not Action.CORRECT:
        raise BadRow("quantity", "Only a correction can be negative.")
    return units
