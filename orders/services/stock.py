"""Holding, deducting, releasing and returning units. Each change is a conditional UPDATE.

Stock rows come last in every transaction, by SKU, so that two orders never wait for each other.
What a person does to the shelf is in ``orders.services.shelf``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F

from orders.errors import Busy, OutOfStock, Shortage, UnknownSku
from orders.models import Order, OrderLine, StockHold, StockItem, StockMovement
from orders.services import set_aside
from orders.states import HoldStatus
from tasks.errors import Permanent

_HOLD_TRIES = 3


@dataclass(frozen=True, slots=True)
class BackUnits:
    """Units of a line that come back; ``restocked`` of them can be sold again."""

    line: OrderLine
    quantity: int
    restocked: int


def hold_lines(order: Order, *, set_asides: Mapping[str, int]) -> None:
    """Keep every line's units for the order; call it last in the placing transaction.

    ``set_asides``: of which SKUs the units come from what was set aside (its id), not from what
    everybody may buy.

    The lines' SKUs are taken in sorted order, so that two orders never wait for each other. Raises
    OutOfStock naming every short line, UnknownSku; the caller's transaction must then roll back.
    """
    lines = sorted(order.lines.all(), key=lambda line: line.sku)
    StockHold.objects.bulk_create(
        StockHold(
            line=line, sku=line.sku, quantity=line.quantity, set_aside_id=set_asides.get(line.sku)
        )
        for line in lines
    )
    for line in lines:
        if line.sku in set_asides:
            set_aside.take(line, set_asides[line.sku])
    _hold_all(line for line in lines if line.sku not in set_asides)


def hold_again(order: Order) -> bool:
    """Keep the units of an order whose holds were released once more, if all are there; inside the
    caller's transaction, with the order locked. False: too few are left, and nothing was held."""
    lines = sorted(order.lines.all(), key=lambda line: line.sku)
    try:
        # A savepoint: what was held of the first lines goes back when a later one is short.
        with transaction.atomic():
            released = StockHold.objects.filter(line__order=order, status=HoldStatus.RELEASED)
            if released.update(status=HoldStatus.HELD, set_aside=None) != len(lines):
                raise Permanent(
                    f"Order {order.pk} has holds that were not released. Run 'manage.py audit'."
                )
            _hold_all(lines)
    except OutOfStock:
        return False
    return True


def _hold_all(lines: Iterable[OrderLine]) -> None:
    shortages = tuple(short for line in lines if (short := _hold(line)) is not None)
    if shortages:
        raise OutOfStock(shortages)


def _hold(line: OrderLine) -> Shortage | None:
    for _ in range(_HOLD_TRIES):
        # Check and write are one statement: two buyers of the last unit cannot both pass.
        taken = StockItem.objects.filter(
            sku=line.sku, on_hand__gte=F("held") + line.quantity
        ).update(held=F("held") + line.quantity)
        if taken:
            return None
        item = StockItem.objects.filter(sku=line.sku).first()
        if item is None:
            raise UnknownSku(
                f"{line.title} ({line.sku}) is not sold here. Take it out of the cart."
            )
        if item.available < line.quantity:
            return Shortage(line.sku, line.title, line.quantity, item.available)
        # Units came back between the two statements: 'sold out' would be a lie, so look again.
    raise Busy("The shop is very busy right now. Nothing was changed: try again.")


def deduct_holds(order_id: int) -> None:
    """Turn the order's holds into movements off the shelf, inside the caller's transaction.

    The caller has just locked the order by its transition. Raises Permanent when a hold is not
    there to be deducted, which only a defect or a hand in the database can cause.
    """
    holds = _open_holds(order_id)
    expected = OrderLine.objects.filter(order_id=order_id).count()
    if len(holds) != expected:
        raise Permanent(
            f"Order {order_id} has {expected} lines but {len(holds)} open holds. "
            "Run 'manage.py audit' and mend the stock by hand before redriving."
        )
    StockMovement.objects.bulk_create(
        StockMovement(
            sku=hold.sku,
            kind=StockMovement.Kind.DEDUCTED,
            quantity=-hold.quantity,
            line_id=hold.line_id,
        )
        for hold in holds
    )
    _close_holds(holds, HoldStatus.DEDUCTED)
    for hold in holds:
        StockItem.objects.filter(sku=hold.sku).update(
            on_hand=F("on_hand") - hold.quantity, held=F("held") - hold.quantity
        )


def release_holds(order_id: int) -> None:
    """Give the order's units back, inside the caller's transaction."""
    holds = _open_holds(order_id)
    _close_holds(holds, HoldStatus.RELEASED)
    freed = [hold for hold in holds if not set_aside.give_back(hold)]
    for hold in freed:
        StockItem.objects.filter(sku=hold.sku).update(held=F("held") - hold.quantity)


def return_units(units: Iterable[BackUnits], *, cause: str, reason: str, actor: str) -> None:
    """Units that had left the shelf come back, inside the caller's transaction with the order
    locked. What cannot be sold again is written off at once, so that the ledger shows both."""
    units = sorted(units, key=lambda back: back.line.sku)
    for back in units:
        moves = {
            StockMovement.Kind.RETURNED: back.quantity,
            StockMovement.Kind.DAMAGED: back.restocked - back.quantity,
        }
        StockMovement.objects.bulk_create(
            StockMovement(
                sku=back.line.sku,
                kind=kind,
                quantity=quantity,
                line=back.line,
                cause=cause,
                reason=reason[:200],
                actor=actor,
            )
            for kind, quantity in moves.items()
            if quantity
        )
    for back in units:
        StockItem.objects.filter(sku=back.line.sku).update(on_hand=F("on_hand") + back.restocked)


def _open_holds(order_id: int) -> list[StockHold]:
    return list(
        StockHold.objects.filter(line__order_id=order_id, status=HoldStatus.HELD).order_by("sku")
    )


def _close_holds(holds: Iterable[StockHold], status: HoldStatus) -> None:
    for hold in holds:
        closed = StockHold.objects.filter(pk=hold.pk, status=HoldStatus.HELD).update(status=status)
        if closed != 1:
            raise Permanent(f"Hold {hold.pk} was closed by somebody else. Run 'manage.py audit'.")
