"""The rules of the audit: each names the rows that break it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum

from orders.gateways.payment import GatewayCapture
from orders.models import (
    Notification,
    Order,
    OrderLine,
    Payment,
    StockHold,
    StockItem,
    StockMovement,
)
from orders.services.sweeping import stuck_notifications, stuck_orders
from orders.states import (
    DEDUCTED,
    UNSETTLED_PAYMENTS,
    FulfilmentStatus,
    HoldStatus,
    OrderStatus,
    PaymentStatus,
)

OVERSOLD, DOUBLE_CHARGED, LOST = "oversold", "double_charged", "lost"


@dataclass(frozen=True, slots=True)
class Rule:
    """``kind`` is the promise that a breach of this rule breaks."""

    kind: str
    title: str
    breaches: tuple[str, ...]
    checked: int


def _rule(kind: str, title: str, checked: int, breaches: Iterable[str]) -> Rule:
    return Rule(kind, title, tuple(breaches), checked)


def stock_rules() -> Iterable[Rule]:
    items = list(StockItem.objects.all())
    ledger = _sums(StockMovement.objects.values("sku").annotate(units=Sum("quantity")))
    held = _sums(
        StockHold.objects.filter(status=HoldStatus.HELD)
        .values("sku")
        .annotate(units=Sum("quantity"))
    )
    received = _sums(
        StockMovement.objects.filter(kind=StockMovement.Kind.RECEIVED)
        .values("sku")
        .annotate(units=Sum("quantity"))
    )
    sold = _sums(
        OrderLine.objects.filter(order__status=OrderStatus.PAID)
        .values("sku")
        .annotate(units=Sum("quantity"))
    )
    packed_lines = OrderLine.objects.filter(order__fulfilment__in=DEDUCTED)
    undeducted = packed_lines.exclude(movements__kind=StockMovement.Kind.DEDUCTED).select_related(
        "order"
    )
    unsold = StockMovement.objects.filter(kind=StockMovement.Kind.DEDUCTED).exclude(
        line__order__fulfilment__in=DEDUCTED, quantity=-F("line__quantity")
    )
    yield _rule(
        OVERSOLD,
        "No SKU was sold more often than it was received",
        len(items),
        (
            f"{sku}: {units} sold, {received[sku]} received"
            for sku, units in sold.items()
            if units > received[sku]
        ),
    )
    yield _rule(
        OVERSOLD,
        "On hand is the sum of the ledger",
        len(items),
        (
            f"{item.sku}: {item.on_hand} on hand, the ledger says {ledger[item.sku]}"
            for item in items
            if item.on_hand != ledger[item.sku]
        ),
    )
    yield _rule(
        OVERSOLD,
        "Held is the sum of the open holds",
        len(items),
        (
            f"{item.sku}: {item.held} held, the holds say {held[item.sku]}"
            for item in items
            if item.held != held[item.sku]
        ),
    )
    yield _rule(
        OVERSOLD,
        "Every packed line was deducted once, every deduction is a packed line's",
        packed_lines.count(),
        (
            *(f"{line.order.number}: {line} was packed, not deducted" for line in undeducted),
            *(f"movement {item.pk}: {item} fits no packed line" for item in unsold),
        ),
    )


def _sums(rows: Iterable[Mapping[str, Any]]) -> Counter[str]:
    return Counter({row["sku"]: row["units"] for row in rows})


def money_rules(captures: list[GatewayCapture], read_at: datetime) -> Iterable[Rule]:
    by_order: dict[str, list[GatewayCapture]] = defaultdict(list)
    for capture in captures:
        by_order[capture.order_number].append(capture)
    ours = {
        payment.gateway_reference: payment
        for payment in Payment.objects.filter(status=PaymentStatus.CAPTURED).select_related("order")
    }
    theirs = {capture.reference: capture for capture in captures}
    open_ids = set(
        Payment.objects.filter(status__in=UNSETTLED_PAYMENTS).values_list("pk", flat=True)
    )
    yield _rule(
        DOUBLE_CHARGED,
        "The provider charged each order at most once",
        len(by_order),
        (
            f"{number}: charged {len(found)} times ({', '.join(c.reference for c in found)})"
            for number, found in by_order.items()
            if len(found) > 1
        ),
    )
    yield _rule(
        DOUBLE_CHARGED,
        "The provider charged what was agreed",
        len(ours),
        (
            f"{payment.order.number}: {payment.amount_cents} {payment.currency} agreed, "
            f"{theirs[reference].amount_cents} {theirs[reference].currency} charged"
            for reference, payment in ours.items()
            if reference in theirs
            and (payment.amount_cents, payment.currency.lower())
            != (theirs[reference].amount_cents, theirs[reference].currency.lower())
        ),
    )
    yield _rule(
        LOST,
        "Every charge at the provider is a captured payment here",
        len(captures),
        (
            f"{capture.order_number}: {capture.reference} was charged and is not known here"
            for capture in captures
            # A payment that is still open is being asked about: not lost, in flight.
            if capture.reference not in ours and capture.payment_id not in open_ids
        ),
    )
    yield _rule(
        LOST,
        "Every captured payment is a charge at the provider",
        len(ours),
        (
            f"{payment.order.number}: the provider does not know {reference}"
            for reference, payment in ours.items()
            if reference not in theirs and (payment.settled_at or read_at) <= read_at
        ),
    )
    unpaid = Order.objects.annotate(
        captured=Count("payments", filter=Q(payments__status=PaymentStatus.CAPTURED))
    ).filter(
        Q(status=OrderStatus.PAID, captured=0) | (~Q(status=OrderStatus.PAID) & Q(captured__gt=0))
    )
    yield _rule(
        LOST,
        "An order is paid if and only if its payment was captured",
        Order.objects.count(),
        (f"{order.number} is {order.status}, {order.captured} captured" for order in unpaid),
    )


def loss_rules(*, settled: bool) -> Iterable[Rule]:
    waiting = unfinished_orders() if settled else stuck_orders()
    unsent = (
        Notification.objects.filter(status=Notification.Status.PENDING)
        if settled
        else stuck_notifications()
    )
    packed = Order.objects.filter(fulfilment=FulfilmentStatus.PACKED)
    untold = packed.exclude(notifications__kind=Notification.Kind.ORDER_CONFIRMED)
    yield _rule(
        LOST,
        "Every order reached a final state" if settled else "No order stands still",
        Order.objects.count(),
        (f"{order.number} is {order.status}, {order.fulfilment}" for order in waiting),
    )
    yield _rule(
        LOST,
        "Every packed order has its confirmation",
        packed.count(),
        (f"{order.number} has none" for order in untold),
    )
    yield _rule(
        LOST,
        "Every mail owed was sent" if settled else "No mail stands still",
        Notification.objects.count(),
        (f"{item} for {item.order_id}" for item in unsent),
    )


def unfinished_orders() -> QuerySet[Order]:
    """Orders whose next step is ours, not the shopper's."""
    return Order.objects.filter(
        Q(status=OrderStatus.PLACED)
        | Q(status=OrderStatus.PAID, fulfilment=FulfilmentStatus.UNFULFILLED)
    )
