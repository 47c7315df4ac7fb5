"""Reading orders and stock. Nothing here changes anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from django.db.models import Q, QuerySet

from orders.emails import with_email
from orders.models import Order, StockItem
from orders.states import CLOSED_ORDERS, OrderStatus, PaymentStatus, RefundStatus


@dataclass(frozen=True, slots=True)
class Money:
    """Where the money of an order is, in cents. ``due`` is what its shopper still has to pay,
    ``overpaid`` what came beyond what the order costs and is not on its way back."""

    captured_cents: int
    refunded_cents: int
    refunding_cents: int
    due_cents: int
    overpaid_cents: int


class Fate(Enum):
    """What became of an order. One that was paid and cancelled later counts as paid."""

    OPEN = "open"
    PAID = "paid"
    ENDED = "ended"


def order_fates(order_ids: Iterable[int]) -> dict[int, Fate]:
    """What became of each of these orders; one query."""
    found = Order.objects.filter(pk__in=list(order_ids)).order_by()
    return {
        pk: _fate(OrderStatus(status), paid=paid_at is not None)
        for pk, status, paid_at in found.values_list("pk", "status", "paid_at")
    }


def has_fate(fate: Fate, path: str = "") -> Q:
    """The same as a filter; ``path`` leads to the order, as ``order__`` does."""
    paid = Q(**{f"{path}paid_at__isnull": False}) | Q(**{f"{path}status": OrderStatus.PAID})
    if fate is Fate.PAID:
        return paid
    ended = Q(**{f"{path}status__in": CLOSED_ORDERS})
    if fate is Fate.ENDED:
        return ended & ~paid
    return ~ended & ~paid


def _fate(status: OrderStatus, *, paid: bool) -> Fate:
    if paid or status == OrderStatus.PAID:
        return Fate.PAID
    return Fate.ENDED if status in CLOSED_ORDERS else Fate.OPEN


def order_by_token(token: str) -> Order | None:
    return (
        Order.objects.filter(token=token)
        .select_related("invoice")
        .prefetch_related("lines", "payments", "timeline", "notifications")
        .prefetch_related("refunds__lines__line", "shipments__lines__line", "returns__lines__line")
        .first()
    )


def money(order: Order) -> Money:
    """Reads the order's payments, its refunds and their lines."""
    payments = [p for p in order.payments.all() if p.status == PaymentStatus.CAPTURED]
    captured = sum(payment.amount_cents for payment in payments)
    reserved = sum(payment.refund_reserved_cents for payment in payments)
    refunded = sum(
        refund.amount_cents for refund in order.refunds.all() if refund.status == RefundStatus.MOVED
    )
    owed = order.total_cents - _given_up(order) if order.status == OrderStatus.PAID else 0
    unpaid = order.status in (OrderStatus.PLACED, OrderStatus.PAYMENT_FAILED)
    return Money(
        captured_cents=captured,
        refunded_cents=refunded,
        refunding_cents=reserved - refunded,
        due_cents=order.total_cents if unpaid else 0,
        overpaid_cents=max(0, captured - reserved - owed),
    )


def _given_up(order: Order) -> int:
    """Cents that the order costs less, because units of it were refunded. A free amount is not
    among them: it may have been meant for money that came twice."""
    refunds = [one for one in order.refunds.all() if one.status != RefundStatus.REFUSED]
    causes = {one.cause.rpartition(":")[0] for one in refunds if one.lines.all()}
    return sum(one.amount_cents for one in refunds if one.cause.rpartition(":")[0] in causes)


def order_by_key(idempotency_key: UUID) -> Order | None:
    return Order.objects.filter(idempotency_key=idempotency_key).first()


def orders_of_email(email: str) -> QuerySet[Order]:
    """Orders that were placed with this address, however it was spelt; the newest first."""
    return with_email(Order.objects.all(), email).order_by("-id")


def orders_of_customer(customer_id: int) -> QuerySet[Order]:
    """Orders that the account of this user lists; the newest first."""
    return Order.objects.filter(customer=customer_id).order_by("-id")


def orders_about(email: str, customer_id: int | None) -> QuerySet[Order]:
    """What is held about one person: orders that the account lists (None: there is none), and those
    of the address that no account lists. An order that another account placed with this address is
    that account's."""
    theirs = Q(pk__in=guest_orders(email).values("pk"))
    if customer_id is not None:
        theirs |= Q(customer=customer_id)
    return Order.objects.filter(theirs).order_by("id")


def guest_orders(email: str) -> QuerySet[Order]:
    """Orders of this address that no account lists."""
    return orders_of_email(email).filter(customer=None, erased_at=None)


def available(skus: Iterable[str]) -> dict[str, int]:
    """Units that can be bought now, for each SKU; 0 for one that was never in stock."""
    wanted = list(skus)
    found = {item.sku: item.available for item in StockItem.objects.filter(sku__in=wanted)}
    return {sku: found.get(sku, 0) for sku in wanted}


def stocked_skus() -> set[str]:
    """SKUs that have ever been in stock."""
    return set(StockItem.objects.values_list("sku", flat=True))
