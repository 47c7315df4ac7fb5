"""Reading orders and stock. Nothing here changes anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.utils import timezone

from orders.models import Notification, Order, Payment, StockItem
from orders.states import DEDUCTED, OrderStatus, PaymentStatus, RefundStatus

StepState = Literal["done", "current", "waiting", "failed"]


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the order page. ``at`` is when it was done."""

    name: str
    title: str
    detail: str
    state: StepState
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an order stands, in words for its shopper. ``pending``: look again soon."""

    steps: tuple[Step, ...]
    headline: str
    pending: bool
    can_retry_payment: bool


@dataclass(frozen=True, slots=True)
class Money:
    """Where the money of an order is, in cents. ``due`` is what its shopper still has to pay,
    ``overpaid`` what came beyond what the order costs and is not on its way back."""

    captured_cents: int
    refunded_cents: int
    refunding_cents: int
    due_cents: int
    overpaid_cents: int


def order_by_token(token: str) -> Order | None:
    return (
        Order.objects.filter(token=token)
        .prefetch_related("lines", "payments", "timeline", "notifications")
        .prefetch_related("refunds__lines__line", "shipments__lines__line", "returns__lines__line")
        .first()
    )


def money(order: Order) -> Money:
    """Reads the order's payments, refunds and lines."""
    payments = [p for p in order.payments.all() if p.status == PaymentStatus.CAPTURED]
    captured = sum(payment.amount_cents for payment in payments)
    reserved = sum(payment.refund_reserved_cents for payment in payments)
    refunded = sum(
        refund.amount_cents for refund in order.refunds.all() if refund.status == RefundStatus.MOVED
    )
    returned_price = sum(line.refunded * line.unit_price_cents for line in order.lines.all())
    owed = order.total_cents - returned_price if order.status == OrderStatus.PAID else 0
    unpaid = order.status in (OrderStatus.PLACED, OrderStatus.PAYMENT_FAILED)
    return Money(
        captured_cents=captured,
        refunded_cents=refunded,
        refunding_cents=reserved - refunded,
        due_cents=order.total_cents if unpaid else 0,
        overpaid_cents=max(0, captured - reserved - owed),
    )


def order_by_key(idempotency_key: UUID) -> Order | None:
    return Order.objects.filter(idempotency_key=idempotency_key).first()


def available(skus: Iterable[str]) -> dict[str, int]:
    """Units that can be bought now, for each SKU; 0 for one that was never in stock."""
    wanted = list(skus)
    found = {item.sku: item.available for item in StockItem.objects.filter(sku__in=wanted)}
    return {sku: found.get(sku, 0) for sku in wanted}


def stocked_skus() -> set[str]:
    """SKUs that have ever been in stock."""
    return set(StockItem.objects.values_list("sku", flat=True))


def progress(order: Order) -> Progress:
    """The steps from received to mailed. Reads the relations that ``order_by_token`` prefetched."""
    payment = list(order.payments.all())[-1]
    mail = next(
        (
            item
            for item in order.notifications.all()
            if item.kind == Notification.Kind.ORDER_CONFIRMED
        ),
        None,
    )
    mailed = mail is not None and mail.status == Notification.Status.SENT
    packed = order.fulfilment in DEDUCTED
    steps = (
        Step("received", "Received", "We have your order.", "done", order.placed_at),
        _paid_step(order, payment),
        _packed_step(order, packed),
        _mail_step(order, mail, packed),
    )
    return Progress(
        steps=steps,
        headline=_headline(order, payment, packed, mailed),
        pending=_pending(order, mailed),
        can_retry_payment=order.status == OrderStatus.PAYMENT_FAILED
        and order.hold_expires_at > timezone.now(),
    )


def _pending(order: Order, mailed: bool) -> bool:
    return order.status == OrderStatus.PLACED or (order.status == OrderStatus.PAID and not mailed)


def _paid_step(order: Order, payment: Payment) -> Step:
    amount = f"{payment.card_label}"
    match order.status, payment.status:
        case OrderStatus.PAID, _:
            return Step("paid", "Paid", f"Paid with {amount}.", "done", order.paid_at)
        case OrderStatus.PAYMENT_FAILED | OrderStatus.EXPIRED, _:
            return Step("paid", "Not paid", payment.decline_message, "failed", payment.settled_at)
        case _, PaymentStatus.UNKNOWN:
            return Step(
                "paid",
                "Waiting for the bank",
                "The bank has not answered yet; you will not be charged twice.",
                "current",
            )
        case _:
            return Step("paid", "Paying", f"Asking the bank about {amount}.", "current")


def _packed_step(order: Order, packed: bool) -> Step:
    if packed:
        return Step(
            "packed", "Packed from stock", "Your things are set aside.", "done", order.packed_at
        )
    if order.status == OrderStatus.EXPIRED:
        return Step("packed", "Not packed", "The units went back on sale.", "failed")
    current = order.status == OrderStatus.PAID
    detail = "Taking your things off the shelf." if current else "Kept for you until it is paid."
    return Step("packed", "Packed from stock", detail, "current" if current else "waiting")


def _mail_step(order: Order, mail: Notification | None, packed: bool) -> Step:
    if mail is not None and mail.status == Notification.Status.SENT:
        detail = f"A confirmation went to {order.email}."
        return Step("mail", "You have mail", detail, "done", mail.sent_at)
    detail = f"A confirmation will go to {order.email}."
    if order.status in (OrderStatus.PAYMENT_FAILED, OrderStatus.EXPIRED):
        return Step("mail", "Confirmation", "Comes once the order is paid.", "waiting")
    return Step("mail", "Confirmation", detail, "current" if packed else "waiting")


def _headline(order: Order, payment: Payment, packed: bool, mailed: bool) -> str:
    if order.status == OrderStatus.EXPIRED:
        return "This order was not paid in time. Nothing was charged."
    if order.status == OrderStatus.PAYMENT_FAILED:
        return "The card was declined. Nothing was charged; your things are kept for a while."
    if mailed:
        return "Thank you. You have mail."
    if packed:
        return "Paid and packed. Your confirmation is on its way."
    if order.status == OrderStatus.PAID:
        return "Paid. We are packing your things."
    if payment.status == PaymentStatus.UNKNOWN:
        return "The bank has not answered yet; you will not be charged twice."
    return "Thank you. We have your order and are asking the bank."
