"""Rules about units: holds, deductions, parcels and returns of an order, and the shelf. Pure."""

from collections import Counter
from collections.abc import Iterator

from orders.models import Order, OrderLine, StockHold, StockMovement
from orders.services.audit_faults import Difference
from orders.services.audit_scope import Case
from orders.services.audit_shelf import ShelfCount
from orders.states import (
    DEDUCTED,
    FulfilmentStatus,
    HoldStatus,
    OrderStatus,
    RefundStatus,
    ReturnStatus,
    ShipmentStatus,
    fulfilment_after,
)

_WAITING = (OrderStatus.PLACED, OrderStatus.PAYMENT_FAILED, OrderStatus.PAID)
_Kind = StockMovement.Kind


def shelf_differences(count: ShelfCount) -> Iterator[Difference]:
    """What is wrong with one SKU."""
    if count.sold > count.supplied:
        detail = f"{count.sold} sold, {count.supplied} received (with corrections and losses)"
        yield Difference("sold_more_than_received", count.sku, detail)
    if count.on_hand != count.ledger:
        detail = f"{count.on_hand} on hand, the ledger says {count.ledger}"
        yield Difference("ledger_differs", count.sku, detail)
    if count.held != count.open_holds:
        detail = f"{count.held} held, the holds say {count.open_holds}"
        yield Difference("held_differs", count.sku, detail)


def goods_differences(case: Case) -> Iterator[Difference]:
    """What is wrong with the units of one order."""
    order = case.order
    parcels = _units_in_parcels(order)
    announced, returned = _units_in_returns(order)
    refunded = _units_in_refunds(order)
    for line in order.lines.all():
        yield from _hold(order, line)
        yield from _ledger(order, line)
        for name, counted, found in (
            ("shipped", line.shipped, parcels[line.pk]),
            ("returning", line.returning, announced[line.pk]),
            ("returned", line.returned, returned[line.pk]),
            ("refunded", line.refunded, refunded[line.pk]),
        ):
            if counted != found:
                yield _about(
                    "line_counts_differ",
                    order,
                    f"{line.sku}: {counted} {name}, its papers say {found}",
                    line,
                )
    yield from _fulfilment(order)


def _hold(order: Order, line: OrderLine) -> Iterator[Difference]:
    hold: StockHold | None = getattr(line, "hold", None)
    waits = order.status in _WAITING and order.fulfilment == FulfilmentStatus.UNFULFILLED
    is_open = hold is not None and hold.status == HoldStatus.HELD
    if hold is not None and is_open and not waits:
        yield _about("hold_left_open", order, f"{hold.quantity} × {line.sku} still held", line)
    if waits and not is_open and line.quantity > line.withdrawn:
        yield _about("hold_missing", order, f"{line.quantity} × {line.sku} not held", line)


def _ledger(order: Order, line: OrderLine) -> Iterator[Difference]:
    moved: Counter[str] = Counter()
    for movement in line.movements.all():
        moved[movement.kind] += movement.quantity
    deducted, back = -moved[_Kind.DEDUCTED], moved[_Kind.RETURNED]
    if order.fulfilment not in DEDUCTED:
        if deducted:
            detail = f"{deducted} × {line.sku} deducted, not packed"
            yield _about("deducted_unpacked", order, detail, line)
        return
    if not deducted:
        yield _about("not_deducted", order, f"{line.quantity} × {line.sku}", line)
        return
    out = line.quantity - line.withdrawn - line.returned
    if deducted - back != out or -moved[_Kind.DAMAGED] > back:
        detail = (
            f"{line.sku}: {deducted} deducted, {back} back, {-moved[_Kind.DAMAGED]} of them written"
            f" off; ordered {line.quantity}, withdrawn {line.withdrawn}, returned {line.returned}"
        )
        yield _about("units_differ", order, detail, line)


def _fulfilment(order: Order) -> Iterator[Difference]:
    if order.fulfilment not in DEDUCTED:
        return
    under_way = sum(parcel.status == ShipmentStatus.SHIPPED for parcel in order.shipments.all())
    units = [line.line_units for line in order.lines.all()]
    wanted = fulfilment_after(units, undelivered_shipments=under_way)
    if order.fulfilment != wanted:
        yield _about("fulfilment_differs", order, f"{order.fulfilment}, its parcels say {wanted}")


def _units_in_parcels(order: Order) -> Counter[int]:
    found: Counter[int] = Counter()
    for parcel in order.shipments.all():
        for item in parcel.lines.all():
            found[item.line_id] += item.quantity
    return found


def _units_in_returns(order: Order) -> tuple[Counter[int], Counter[int]]:
    """(announced or back, back) per line."""
    announced: Counter[int] = Counter()
    back: Counter[int] = Counter()
    for parcel in order.returns.all():
        for item in parcel.lines.all():
            if parcel.status == ReturnStatus.ANNOUNCED:
                announced[item.line_id] += item.quantity
            elif parcel.status == ReturnStatus.RECEIVED:
                announced[item.line_id] += item.received
                back[item.line_id] += item.received
    return announced, back


def _units_in_refunds(order: Order) -> Counter[int]:
    found: Counter[int] = Counter()
    for refund in order.refunds.all():
        if refund.status != RefundStatus.REFUSED:
            for item in refund.lines.all():
                found[item.line_id] += item.quantity
    return found


def _about(code: str, order: Order, detail: str, line: OrderLine | None = None) -> Difference:
    return Difference(
        code, order.number, detail, order_id=order.pk, target_id=line.pk if line else None
    )
