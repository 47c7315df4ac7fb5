"""The states of orders, money, parcels and returns, and the transitions that are allowed. Pure.

Orders have few states. Money (payments, refunds) and fulfilment are told apart from them, each with
a table of its own. ``docs/states.md`` is drawn from these tables.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from django.db.models import TextChoices

State = TypeVar("State", bound=TextChoices)


class OrderStatus(TextChoices):
    PLACED = "placed", "placed"
    PAID = "paid", "paid"
    PAYMENT_FAILED = "payment_failed", "payment failed"
    EXPIRED = "expired", "expired"
    CANCELLED = "cancelled", "cancelled"


class PaymentStatus(TextChoices):
    PENDING = "pending", "pending"
    ACTION_REQUIRED = "action_required", "the bank wants to see the shopper"
    UNKNOWN = "unknown", "bank has not answered"
    CAPTURED = "captured", "captured"
    DECLINED = "declined", "declined"
    CANCELLED = "cancelled", "cancelled"


class FulfilmentStatus(TextChoices):
    UNFULFILLED = "unfulfilled", "not packed"
    PACKED = "packed", "packed"
    PARTLY_SHIPPED = "partly_shipped", "partly shipped"
    SHIPPED = "shipped", "shipped"
    DELIVERED = "delivered", "delivered"


class HoldStatus(TextChoices):
    HELD = "held", "held"
    DEDUCTED = "deducted", "deducted"
    RELEASED = "released", "released"


class RefundStatus(TextChoices):
    REQUESTED = "requested", "requested"
    UNKNOWN = "unknown", "bank has not answered"
    MOVED = "moved", "money sent"
    REFUSED = "refused", "refused by the bank"


class ShipmentStatus(TextChoices):
    SHIPPED = "shipped", "on its way"
    DELIVERED = "delivered", "delivered"


class ReturnStatus(TextChoices):
    ANNOUNCED = "announced", "announced"
    RECEIVED = "received", "received"
    WITHDRAWN = "withdrawn", "withdrawn"
    LAPSED = "lapsed", "never arrived"


ORDER_TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PLACED: frozenset(
        {OrderStatus.PAID, OrderStatus.PAYMENT_FAILED, OrderStatus.CANCELLED}
    ),
    # A shopper whose card was declined may try another one while the stock is held. The bank may
    # also have taken the money that it told nobody about.
    OrderStatus.PAYMENT_FAILED: frozenset(
        {OrderStatus.PLACED, OrderStatus.PAID, OrderStatus.EXPIRED, OrderStatus.CANCELLED}
    ),
    OrderStatus.PAID: frozenset({OrderStatus.CANCELLED}),
    # Money that came late takes the units again, if there are some.
    OrderStatus.EXPIRED: frozenset({OrderStatus.PAID}),
    OrderStatus.CANCELLED: frozenset(),
}

PAYMENT_TRANSITIONS: dict[PaymentStatus, frozenset[PaymentStatus]] = {
    PaymentStatus.PENDING: frozenset(
        {
            PaymentStatus.ACTION_REQUIRED,
            PaymentStatus.UNKNOWN,
            PaymentStatus.CAPTURED,
            PaymentStatus.DECLINED,
            PaymentStatus.CANCELLED,
        }
    ),
    PaymentStatus.ACTION_REQUIRED: frozenset(
        {
            PaymentStatus.UNKNOWN,
            PaymentStatus.CAPTURED,
            PaymentStatus.DECLINED,
            PaymentStatus.CANCELLED,
        }
    ),
    PaymentStatus.UNKNOWN: frozenset(
        {
            PaymentStatus.ACTION_REQUIRED,
            PaymentStatus.CAPTURED,
            PaymentStatus.DECLINED,
            PaymentStatus.CANCELLED,
        }
    ),
    PaymentStatus.CAPTURED: frozenset(),
    # The provider's books have the last word: money that moved after all is written down.
    PaymentStatus.DECLINED: frozenset({PaymentStatus.CAPTURED}),
    PaymentStatus.CANCELLED: frozenset({PaymentStatus.CAPTURED}),
}

FULFILMENT_TRANSITIONS: dict[FulfilmentStatus, frozenset[FulfilmentStatus]] = {
    FulfilmentStatus.UNFULFILLED: frozenset({FulfilmentStatus.PACKED}),
    FulfilmentStatus.PACKED: frozenset({FulfilmentStatus.PARTLY_SHIPPED, FulfilmentStatus.SHIPPED}),
    FulfilmentStatus.PARTLY_SHIPPED: frozenset(
        {FulfilmentStatus.SHIPPED, FulfilmentStatus.DELIVERED}
    ),
    FulfilmentStatus.SHIPPED: frozenset({FulfilmentStatus.DELIVERED}),
    FulfilmentStatus.DELIVERED: frozenset(),
}

HOLD_TRANSITIONS: dict[HoldStatus, frozenset[HoldStatus]] = {
    HoldStatus.HELD: frozenset({HoldStatus.DEDUCTED, HoldStatus.RELEASED}),
    HoldStatus.DEDUCTED: frozenset(),
    # Late money holds the units once more.
    HoldStatus.RELEASED: frozenset({HoldStatus.HELD}),
}

REFUND_TRANSITIONS: dict[RefundStatus, frozenset[RefundStatus]] = {
    RefundStatus.REQUESTED: frozenset(
        {RefundStatus.UNKNOWN, RefundStatus.MOVED, RefundStatus.REFUSED}
    ),
    RefundStatus.UNKNOWN: frozenset({RefundStatus.MOVED, RefundStatus.REFUSED}),
    # A bank may send the money back days after it took it.
    RefundStatus.MOVED: frozenset({RefundStatus.REFUSED}),
    RefundStatus.REFUSED: frozenset(),
}

SHIPMENT_TRANSITIONS: dict[ShipmentStatus, frozenset[ShipmentStatus]] = {
    ShipmentStatus.SHIPPED: frozenset({ShipmentStatus.DELIVERED}),
    ShipmentStatus.DELIVERED: frozenset(),
}

RETURN_TRANSITIONS: dict[ReturnStatus, frozenset[ReturnStatus]] = {
    ReturnStatus.ANNOUNCED: frozenset(
        {ReturnStatus.RECEIVED, ReturnStatus.WITHDRAWN, ReturnStatus.LAPSED}
    ),
    # A parcel that turns up after all is received all the same.
    ReturnStatus.LAPSED: frozenset({ReturnStatus.RECEIVED}),
    ReturnStatus.RECEIVED: frozenset(),
    ReturnStatus.WITHDRAWN: frozenset(),
}

TABLES: dict[str, Mapping[TextChoices, frozenset[TextChoices]]] = {
    "order": ORDER_TRANSITIONS,  # type: ignore[dict-item]  # a Mapping's keys are invariant
    "payment": PAYMENT_TRANSITIONS,  # type: ignore[dict-item]  # as above
    "fulfilment": FULFILMENT_TRANSITIONS,  # type: ignore[dict-item]  # as above
    "hold": HOLD_TRANSITIONS,  # type: ignore[dict-item]  # as above
    "refund": REFUND_TRANSITIONS,  # type: ignore[dict-item]  # as above
    "shipment": SHIPMENT_TRANSITIONS,  # type: ignore[dict-item]  # as above
    "return": RETURN_TRANSITIONS,  # type: ignore[dict-item]  # as above
}
"""Every table by the noun that it is about; ``docs/states.md`` draws them."""

UNSETTLED_PAYMENTS = (
    PaymentStatus.PENDING,
    PaymentStatus.ACTION_REQUIRED,
    PaymentStatus.UNKNOWN,
)
"""Payments whose money may still move."""

OPEN_REFUNDS = (RefundStatus.REQUESTED, RefundStatus.UNKNOWN)
"""Refunds that reserve money and have not moved it."""

CLOSED_ORDERS = (OrderStatus.EXPIRED, OrderStatus.CANCELLED)
"""Orders that nobody is to pay any more."""

DEDUCTED = (
    FulfilmentStatus.PACKED,
    FulfilmentStatus.PARTLY_SHIPPED,
    FulfilmentStatus.SHIPPED,
    FulfilmentStatus.DELIVERED,
)
"""Orders whose units have left the shelf."""

SHIPPABLE = (FulfilmentStatus.PACKED, FulfilmentStatus.PARTLY_SHIPPED)


@dataclass(frozen=True, slots=True)
class LineUnits:
    """Units of one line: ordered, withdrawn before they were shipped, and shipped."""

    ordered: int
    withdrawn: int
    shipped: int


def may_become(current: OrderStatus, wanted: OrderStatus) -> bool:
    return wanted in ORDER_TRANSITIONS[current]


def sources(table: Mapping[State, frozenset[State]], wanted: State) -> tuple[State, ...]:
    """The states from which ``wanted`` may be reached: what a conditional UPDATE asks for."""
    return tuple(state for state, targets in table.items() if wanted in targets)


def fulfilment_after(lines: Iterable[LineUnits], *, undelivered_shipments: int) -> FulfilmentStatus:
    """Where a packed order stands by its units; ``undelivered_shipments`` are on their way."""
    units = list(lines)
    shipped = sum(line.shipped for line in units)
    left = sum(line.ordered - line.withdrawn - line.shipped for line in units)
    if shipped == 0:
        return FulfilmentStatus.PACKED
    if left > 0:
        return FulfilmentStatus.PARTLY_SHIPPED
    return FulfilmentStatus.SHIPPED if undelivered_shipments else FulfilmentStatus.DELIVERED
