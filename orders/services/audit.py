"""The proof of the promise: what the database says, against itself and against the provider.

Each rule answers with the things that break it; an empty answer is a kept rule. Rules read only,
and each reads the present state, so run the audit when the queues are quiet or read ``in_flight``.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, F, Q, Sum

from orders.gateways.payment import GatewayCapture, PaymentGateway, get_gateway
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
    UNSETTLED_PAYMENTS,
    FulfilmentStatus,
    HoldStatus,
    OrderStatus,
    PaymentStatus,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """``kind`` is the promise that a breach of this rule breaks."""

    kind: str
    title: str
    breaches: tuple[str, ...]
    checked: int


@dataclass(frozen=True, slots=True)
class AuditReport:
    rules: tuple[Rule, ...]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not any(rule.breaches for rule in self.rules)

    def broken(self, kind: str) -> int:
        """How many breaches there are of one promise: oversold, double_charged or lost."""
        return sum(len(rule.breaches) for rule in self.rules if rule.kind == kind)


OVERSOLD, DOUBLE_CHARGED, LOST = "oversold", "double_charged", "lost"


def audit(*, settled: bool = False, gateway: PaymentGateway | None = None) -> AuditReport:
    """Check every rule. ``settled``: nothing should be in flight, so what is counts as lost.

    Raises what the gateway raises when its ledger cannot be read.
    """
    captures = list((gateway or get_gateway()).captures())
    rules = (
        *_stock_rules(),
        *_money_rules(captures),
        *_loss_rules(settled=settled),
    )
    return AuditReport(rules, _counts(captures))


def _rule(kind: str, title: str, checked: int, breaches: Iterable[str]) -> Rule:
    return Rule(kind, title, tuple(breaches), checked)


def _stock_rules() -> Iterable[Rule]:
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
    packed_lines = OrderLine.objects.filter(order__fulfilment=FulfilmentStatus.PACKED)
    undeducted = packed_lines.filter(deduction__isnull=True).select_related("order")
    unsold = StockMovement.objects.filter(kind=StockMovement.Kind.DEDUCTED).exclude(
        line__order__fulfilment=FulfilmentStatus.PACKED, quantity=-F("line__quantity")
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


def _money_rules(captures: list[GatewayCapture]) -> Iterable[Rule]:
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
            if reference not in theirs
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


def _loss_rules(*, settled: bool) -> Iterable[Rule]:
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


def unfinished_orders() -> Iterable[Order]:
    """Orders whose next step is ours, not the shopper's."""
    return Order.objects.filter(
        Q(status=OrderStatus.PLACED)
        | Q(status=OrderStatus.PAID, fulfilment=FulfilmentStatus.UNFULFILLED)
    )


def _counts(captures: list[GatewayCapture]) -> dict[str, int]:
    by_status = Counter(Order.objects.order_by().values_list("status", flat=True))
    return {
        "orders": Order.objects.count(),
        **{value: by_status[value] for value in OrderStatus.values},
        "packed": Order.objects.filter(fulfilment=FulfilmentStatus.PACKED).count(),
        "payments_declined": Payment.objects.filter(status=PaymentStatus.DECLINED).count(),
        "payments_unsettled": Payment.objects.filter(status__in=UNSETTLED_PAYMENTS).count(),
        "mails_sent": Notification.objects.filter(status=Notification.Status.SENT).count(),
        "confirmed": Notification.objects.filter(
            status=Notification.Status.SENT, kind=Notification.Kind.ORDER_CONFIRMED
        ).count(),
        "mails_pending": Notification.objects.filter(status=Notification.Status.PENDING).count(),
        "captures_at_gateway": len(captures),
    }
