"""Rules about units: holds, deductions, parcels and returns of an order, and the shelf. Pure."""

from collections import Counter, defaultdict
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
    held = {hold.line_id: hold for hold in case.holds}
    moved = _units_moved(case)
    parcels = Counter[int]()
    for item in case.parcel_lines:
        parcels[item.line_id] += item.quantity
    announced, returned = _units_in_returns(case)
    refunded = _units_in_refunds(case)
    for line in case.lines:
        yield from _hold(case.order, line, held.get(line.pk))
        yield from _ledger(case.order, line, moved[line.pk])
        for name, counted, found in (
            ("shipped", line.shipped, parcels[line.pk]),
            ("returning", line.returning, announced[line.pk]),
            ("returned", line.returned, returned[line.pk]),
            ("refunded", line.refunded, refunded[line.pk]),
        ):
            if counted != found:
                detail = f"{line.sku}: {counted} {name}, its papers say {found}"
                yield _about("line_counts_differ", case.order, detail, line)
    yield from _fulfilment(case)


def _hold(order: Order, line: OrderLine, hold: StockHold | None) -> Iterator[Difference]:
    waits = order.status in _WAITING and order.fulfilment == FulfilmentStatus.UNFULFILLED
    held = hold.quantity if hold is not None and hold.status == HoldStatus.HELD else 0
    if held and not waits:
        yield _about("hold_left_open", order, f"{held} × {line.sku} still held", line)
    if waits and held < line.quantity - line.withdrawn:
        detail = f"{held} of {line.quantity} × {line.sku} held"
        yield _about("hold_missing", order, detail, line)


def _ledger(order: Order, line: OrderLine, moved: Counter[str]) -> Iterator[Difference]:
    deducted, back, lost = -moved[_Kind.DEDUCTED], moved[_Kind.RETURNED], -moved[_Kind.DAMAGED]
    if order.fulfilment not in DEDUCTED:
        if deducted:
            detail = f"{deducted} × {line.sku} deducted, not packed"
            yield _about("deducted_unpacked", order, detail, line)
        return
    if not deducted:
        yield _about("not_deducted", order, f"{line.quantity} × {line.sku}", line)
        return
    out = line.quantity - line.withdrawn - line.returned
    if deducted - back != out or lost > back:
        detail = (
            f"{line.sku}: {deducted} deducted, {back} back, {lost} of them written off; "
            f"ordered {line.quantity}, withdrawn {line.withdrawn}, returned {line.returned}"
        )
        yield _about("units_differ", order, detail, line)


def _fulfilment(case: Case) -> Iterator[Difference]:
    order = case.order
    if order.fulfilment not in DEDUCTED:
        return
    wanted = fulfilment_after(
        [line.line_units for line in case.lines],
        undelivered_shipments=sum(p.status == ShipmentStatus.SHIPPED for p in case.parcels),
    )
    if order.fulfilment != wanted:
        yield _about("fulfilment_differs", order, f"{order.fulfilment}, its parcels say {wanted}")


def _units_moved(case: Case) -> dict[int, Counter[str]]:
    """By line, then by the kind of movement."""
    moved: dict[int, Counter[str]] = defaultdict(Counter)
    for movement in case.movements:
        moved[movement.line_id or 0][movement.kind] += movement.quantity
    return moved


def _units_in_returns(case: Case) -> tuple[Counter[int], Counter[int]]:
    """(announced or back, back) per line."""
    status = {coming.pk: coming.status for coming in case.returns}
    announced, back = Counter[int](), Counter[int]()
    for item in case.return_lines:
        if status[item.parent_id] == ReturnStatus.ANNOUNCED:
            announced[item.line_id] += item.quantity
        elif status[item.parent_id] == ReturnStatus.RECEIVED:
            announced[item.line_id] += item.received
            back[item.line_id] += item.received
    return announced, back


def _units_in_refunds(case: Case) -> Counter[int]:
    refused = {item.pk for item in case.refunds if item.status == RefundStatus.REFUSED}
    found = Counter[int]()
    for item in case.refund_lines:
        if item.refund_id not in refused:
            found[item.line_id] += item.quantity
    return found


def _about(code: str, order: Order, detail: str, line: OrderLine | None = None) -> Difference:
    return Difference(
        code, order.number, detail, order_id=order.pk, target_id=line.pk if line else None
    )
