"""The states of an order and the transitions that are allowed. Pure: no database, no clock."""

from django.db.models import TextChoices


class OrderStatus(TextChoices):
    PLACED = "placed", "placed"
    PAID = "paid", "paid"
    PAYMENT_FAILED = "payment_failed", "payment failed"
    EXPIRED = "expired", "expired"


class PaymentStatus(TextChoices):
    PENDING = "pending", "pending"
    UNKNOWN = "unknown", "bank has not answered"
    CAPTURED = "captured", "captured"
    DECLINED = "declined", "declined"


class FulfilmentStatus(TextChoices):
    UNFULFILLED = "unfulfilled", "not packed"
    PACKED = "packed", "packed"


class HoldStatus(TextChoices):
    HELD = "held", "held"
    DEDUCTED = "deducted", "deducted"
    RELEASED = "released", "released"


ORDER_TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PLACED: frozenset({OrderStatus.PAID, OrderStatus.PAYMENT_FAILED}),
    # A shopper whose card was declined may try another one while the stock is held.
    OrderStatus.PAYMENT_FAILED: frozenset({OrderStatus.PLACED, OrderStatus.EXPIRED}),
    OrderStatus.PAID: frozenset(),
    OrderStatus.EXPIRED: frozenset(),
}

PAYMENT_TRANSITIONS: dict[PaymentStatus, frozenset[PaymentStatus]] = {
    PaymentStatus.PENDING: frozenset(
        {PaymentStatus.UNKNOWN, PaymentStatus.CAPTURED, PaymentStatus.DECLINED}
    ),
    PaymentStatus.UNKNOWN: frozenset({PaymentStatus.CAPTURED, PaymentStatus.DECLINED}),
    PaymentStatus.CAPTURED: frozenset(),
    PaymentStatus.DECLINED: frozenset(),
}

UNSETTLED_PAYMENTS = (PaymentStatus.PENDING, PaymentStatus.UNKNOWN)


def may_become(current: OrderStatus, wanted: OrderStatus) -> bool:
    return wanted in ORDER_TRANSITIONS[current]
