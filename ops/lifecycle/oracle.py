"""What must hold once a run has come to rest. Written apart from the audit, so that each checks the
other: here are only the model bank's books and the rows of one world."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet, Sum

from ops.lifecycle.errors import Broken
from orders.models import (
    Notification,
    Order,
    OrderLine,
    StockHold,
    StockItem,
    StockMovement,
)
from orders.states import (
    CLOSED_ORDERS,
    DEDUCTED,
    OPEN_REFUNDS,
    UNSETTLED_PAYMENTS,
    FulfilmentStatus,
    HoldStatus,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    ReturnStatus,
    ShipmentStatus,
    fulfilment_after,
)

if TYPE_CHECKING:
    from ops.lifecycle.world import World

_Kind = Notification.Kind


def check(world: "World") -> None:
    """Raises Broken, naming everything that does not hold."""
    orders = (
        Order.objects.filter(pk__in=world.orders)
        .prefetch_related("lines__hold", "lines__movements", "payments", "refunds__lines")
        .prefetch_related("timeline", "notifications", "shipments__lines", "returns__lines")
    )
    broken = [
        f"order {order.pk} ({order.status}, {order.fulfilment}): {text}"
        for order in orders
        for text in (
            *_rest(order),
            *_payments(world, order),
            *_refunds(world, order),
            *_units(order),
            *_told(order),
        )
    ]
    broken += _shelf(world)
    if broken:
        raise Broken("\n".join(broken))


def _rest(order: Order) -> Iterator[str]:
    if order.status in (OrderStatus.PLACED, OrderStatus.PAYMENT_FAILED):
        yield "did not come to its end"
    if order.status == OrderStatus.PAID and order.fulfilment not in DEDUCTED:
        yield "was paid and not packed"
    for payment in order.payments.all():
        if payment.status in UNSETTLED_PAYMENTS:
            yield f"payment {payment.pk} is still {payment.status}"
    for refund in order.refunds.all():
        if refund.status in OPEN_REFUNDS:
            yield f"refund {refund.pk} is still {refund.status}"


def _payments(world: "World", order: Order) -> Iterator[str]:
    for payment in order.payments.all():
        intents = [one for one in world.bank.intents if one.request.payment_id == payment.pk]
        took = [one for one in intents if one.status == "succeeded"]
        if len(took) > 1:
            yield f"payment {payment.pk} took the money {len(took)} times"
        if bool(took) != (payment.status == PaymentStatus.CAPTURED):
            yield f"payment {payment.pk} is {payment.status}, and the bank took {len(took)} times"
        if took and took[0].reference != payment.gateway_reference:
            yield f"payment {payment.pk} goes by another reference than the bank's"
        if intents and payment.asked_at is None:
            yield f"payment {payment.pk} was asked for, and that was not written down"
        if any(one.request.idempotency_key != str(payment.idempotency_key) for one in intents):
            yield f"payment {payment.pk} was asked for under another key than its own"
    captured = [p for p in order.payments.all() if p.status == PaymentStatus.CAPTURED]
    if order.status == OrderStatus.PAID and not captured:
        yield "is paid without money"
    back = sum(r.amount_cents for r in order.refunds.all() if r.status == RefundStatus.MOVED)
    refused = any(r.status == RefundStatus.REFUSED for r in order.refunds.all())
    kept = sum(payment.amount_cents for payment in captured) - back
    if order.status in CLOSED_ORDERS and kept and not refused:
        yield f"{kept} cents were kept of an order that is closed"


def _refunds(world: "World", order: Order) -> Iterator[str]:
    for refund in order.refunds.all():
        theirs = [one for one in world.bank.refunded if one.request.refund_id == refund.pk]
        went = [one for one in theirs if one.status == "succeeded"]
        if len(went) > 1:
            yield f"refund {refund.pk} moved {len(went)} times"
        if bool(went) != (refund.status == RefundStatus.MOVED):
            yield f"refund {refund.pk} is {refund.status}, and the bank moved {len(went)}"
        if any(one.request.idempotency_key != str(refund.idempotency_key) for one in theirs):
            yield f"refund {refund.pk} was asked for under another key than its own"
    for payment in order.payments.all():
        reserved = sum(
            refund.amount_cents
            for refund in order.refunds.all()
            if refund.payment_id == payment.pk and refund.status != RefundStatus.REFUSED
        )
        if reserved != payment.refund_reserved_cents:
            yield f"payment {payment.pk} reserves {payment.refund_reserved_cents}, not {reserved}"


def _units(order: Order) -> Iterator[str]:
    for line in order.lines.all():
        yield from (f"line {line.pk} {text}" for text in _line(order, line))
    if order.fulfilment in DEDUCTED:
        under_way = [one for one in order.shipments.all() if one.status == ShipmentStatus.SHIPPED]
        after = fulfilment_after(
            (line.line_units for line in order.lines.all()), undelivered_shipments=len(under_way)
        )
        if order.fulfilment != after:
            yield f"should be {after} by its units"


def _line(order: Order, line: OrderLine) -> Iterator[str]:
    moved: Counter[str] = Counter()
    for movement in line.movements.all():
        moved[movement.kind] += movement.quantity
    packed = order.fulfilment != FulfilmentStatus.UNFULFILLED
    if -moved["deducted"] != (line.quantity if packed else 0):
        yield f"left the shelf {-moved['deducted']} times of {line.quantity}"
    if moved["returned"] != line.withdrawn + line.returned:
        yield (
            f"came back {moved['returned']} times; {line.withdrawn} were withdrawn and "
            f"{line.returned} returned"
        )
    holds = {HoldStatus.DEDUCTED} if packed else {HoldStatus.RELEASED}
    if line.hold.status not in holds:
        yield f"has a hold that is {line.hold.status}"
    counts = {
        "shipped": sum(i.quantity for s in order.shipments.all() for i in _of(s, line)),
        "returned": sum(i.received for r in order.returns.all() for i in _of(r, line)),
        "returning": sum(
            {ReturnStatus.ANNOUNCED: i.quantity, ReturnStatus.RECEIVED: i.received}.get(
                ReturnStatus(r.status), 0
            )
            for r in order.returns.all()
            for i in _of(r, line)
        ),
        "refunded": sum(
            i.quantity
            for r in order.refunds.all()
            if r.status != RefundStatus.REFUSED
            for i in _of(r, line)
        ),
    }
    for name, counted in counts.items():
        if getattr(line, name) != counted:
            yield f"says {getattr(line, name)} {name}, its parcels and refunds say {counted}"


def _of(parent: Any, line: OrderLine) -> list[Any]:
    return [item for item in parent.lines.all() if item.line_id == line.pk]


def _told(order: Order) -> Iterator[str]:
    """The timeline has each thing that happened, once, and the shopper has a mail about it."""
    events = Counter(event.kind for event in order.timeline.all())
    mails = {(mail.kind, mail.cause) for mail in order.notifications.all()}
    shipments = list(order.shipments.all())
    expected = {
        "cancelled": order.status == OrderStatus.CANCELLED,
        "packed": order.fulfilment in DEDUCTED,
        "paid": sum(p.status == PaymentStatus.CAPTURED for p in order.payments.all())
        - events["overpaid"]
        - events["late_money_kept"]
        - events["late_money_refunded"],
        "shipped": len(shipments),
        "delivered": sum(one.status == ShipmentStatus.DELIVERED for one in shipments),
        "return_announced": len(order.returns.all()),
        "return_received": sum(one.status == ReturnStatus.RECEIVED for one in order.returns.all()),
    }
    for kind, times in expected.items():
        if events[kind] != times:
            yield f"its timeline tells {kind} {events[kind]} times, not {int(times)}"
    owed: set[tuple[str, str]] = {(_Kind.ORDER_SHIPPED, f"shipment:{s.pk}") for s in shipments}
    owed |= {
        (_Kind.REFUND_SENT, f"refund:{refund.pk}")
        for refund in order.refunds.all()
        if refund.status == RefundStatus.MOVED
    }
    if order.status == OrderStatus.CANCELLED:
        owed.add((_Kind.ORDER_CANCELLED, ""))
    if order.fulfilment in DEDUCTED:
        owed.add((_Kind.ORDER_CONFIRMED, ""))
    if order.status == OrderStatus.EXPIRED:
        owed.add((_Kind.ORDER_EXPIRED, ""))
    for kind, cause in sorted(owed - mails):
        yield f"nobody was told: {kind} {cause}"


def _shelf(world: "World") -> list[str]:
    ledger = _sums(StockMovement.objects.filter(sku__in=world.skus).values_list("sku"))
    open_holds = StockHold.objects.filter(sku__in=world.skus, status=HoldStatus.HELD)
    held = _sums(open_holds.values_list("sku"))
    broken = []
    for item in StockItem.objects.filter(sku__in=world.skus):
        if item.on_hand != ledger[item.sku]:
            broken.append(f"{item.sku}: {item.on_hand} on hand, the ledger says {ledger[item.sku]}")
        if item.held != held[item.sku]:
            broken.append(f"{item.sku}: {item.held} held, the holds say {held[item.sku]}")
    return broken


def _sums(rows: QuerySet[Any, Any]) -> Counter[str]:
    return Counter(dict(rows.annotate(units=Sum("quantity")).order_by()))
