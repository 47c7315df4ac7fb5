"""Whether an order has ended: whether anything about it is still to be done. Decided purely."""

from dataclasses import dataclass

from orders.models import Notification, Order
from orders.states import (
    CLOSED_ORDERS,
    OPEN_REFUNDS,
    UNSETTLED_PAYMENTS,
    FulfilmentStatus,
    OrderStatus,
    PaymentStatus,
    ReturnStatus,
    ShipmentStatus,
)


@dataclass(frozen=True, slots=True)
class Standing:
    """``units_to_ship``: neither shipped nor withdrawn. ``owed_cents``: captured beyond what the
    order costs, and not being refunded."""

    status: OrderStatus
    fulfilment: FulfilmentStatus
    units_to_ship: int
    owed_cents: int
    payment_is_open: bool
    refund_is_open: bool
    return_is_open: bool
    parcel_is_under_way: bool
    mail_is_owed: bool


def open_business(standing: Standing) -> str:
    """Why the order has not ended, in words for its shopper; '' when it has."""
    if standing.payment_is_open or standing.status == OrderStatus.PLACED:
        return "its payment is not settled yet"
    if standing.status == OrderStatus.PAYMENT_FAILED:
        return "it can still be paid with another card"
    if standing.refund_is_open or standing.owed_cents > 0:
        return "money is on its way back to you"
    if standing.return_is_open:
        return "a return is awaited"
    if standing.status == OrderStatus.PAID:
        if standing.fulfilment == FulfilmentStatus.UNFULFILLED or standing.units_to_ship:
            return "it is not shipped yet"
        if standing.parcel_is_under_way:
            return "its parcel is on its way"
    return "a mail about it is still to be sent" if standing.mail_is_owed else ""


def standing_of(order: Order) -> Standing:
    """Read under the order's lock when something is to be done about it."""
    captured = list(order.payments.filter(status=PaymentStatus.CAPTURED))
    kept = sum(payment.amount_cents - payment.refund_reserved_cents for payment in captured)
    costs = 0 if order.status in CLOSED_ORDERS else order.total_cents
    return Standing(
        status=OrderStatus(order.status),
        fulfilment=FulfilmentStatus(order.fulfilment),
        units_to_ship=sum(line.to_ship for line in order.lines.all()),
        owed_cents=max(0, kept - costs),
        payment_is_open=order.payments.filter(status__in=UNSETTLED_PAYMENTS).exists(),
        refund_is_open=order.refunds.filter(status__in=OPEN_REFUNDS).exists(),
        return_is_open=order.returns.filter(status=ReturnStatus.ANNOUNCED).exists(),
        parcel_is_under_way=order.shipments.filter(status=ShipmentStatus.SHIPPED).exists(),
        mail_is_owed=order.notifications.filter(status=Notification.Status.PENDING).exists(),
    )
