"""Rules about what must not be forgotten: steps that stand still, and mails. Pure."""

from collections.abc import Iterator

from orders.models import Notification, Order
from orders.services.audit_faults import Difference
from orders.services.audit_scope import Case
from orders.states import (
    CLOSED_ORDERS,
    DEDUCTED,
    OPEN_REFUNDS,
    UNSETTLED_PAYMENTS,
    FulfilmentStatus,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    ReturnStatus,
    ShipmentStatus,
)

_Kind = Notification.Kind
_Owed = tuple[Notification.Kind, str]


def progress_differences(case: Case) -> Iterator[Difference]:
    """What of one order stands still, and what its shopper was not told."""
    yield from _stuck_order(case)
    yield from _stuck_payments(case)
    yield from _stuck_refunds(case)
    yield from _mails(case)


def mails_due(order: Order) -> Iterator[_Owed]:
    """(kind, cause) of every mail that the order's shopper must have been owed by now."""
    if order.fulfilment in DEDUCTED:
        yield _Kind.ORDER_CONFIRMED, ""
    if order.status == OrderStatus.CANCELLED:
        yield _Kind.ORDER_CANCELLED, ""
    if order.status == OrderStatus.EXPIRED:
        yield _Kind.ORDER_EXPIRED, ""
    payments = sorted(order.payments.all(), key=lambda payment: payment.pk)
    # An earlier decline may have come for an order that nobody was waiting to pay any more.
    last = payments[-1] if payments and order.status == OrderStatus.PAYMENT_FAILED else None
    if last is not None and last.status == PaymentStatus.DECLINED:
        yield _Kind.PAYMENT_DECLINED, f"payment:{last.pk}"
    for parcel in order.shipments.all():
        yield _Kind.ORDER_SHIPPED, f"shipment:{parcel.pk}"
        if parcel.status == ShipmentStatus.DELIVERED:
            yield _Kind.ORDER_DELIVERED, f"shipment:{parcel.pk}"
    for refund in order.refunds.all():
        if refund.status == RefundStatus.MOVED:
            yield _Kind.REFUND_SENT, f"refund:{refund.pk}"
    for coming in order.returns.all():
        yield _Kind.RETURN_ANNOUNCED, f"return:{coming.pk}"
        if coming.status == ReturnStatus.RECEIVED:
            yield _Kind.RETURN_RECEIVED, f"return:{coming.pk}"


def _stuck_order(case: Case) -> Iterator[Difference]:
    order = case.order
    unpacked = order.fulfilment == FulfilmentStatus.UNFULFILLED
    ours = order.status == OrderStatus.PLACED or (order.status == OrderStatus.PAID and unpacked)
    # Between a decline and the end of the hold the next step is the shopper's.
    lapsed = order.status == OrderStatus.PAYMENT_FAILED and order.hold_expires_at <= case.now
    since = order.hold_expires_at if lapsed else order.changed_at
    if (ours or lapsed) and case.stands_still(since, order.swept_at, order.subject):
        detail = f"is {order.status} and {order.fulfilment} since {since:%Y-%m-%d %H:%M}"
        yield _about(case, "order_stuck", detail)


def _stuck_payments(case: Case) -> Iterator[Difference]:
    order = case.order
    if order.status not in (*CLOSED_ORDERS, OrderStatus.PAID):
        return
    for payment in order.payments.all():
        since = max(payment.created_at, order.changed_at)
        if payment.status in UNSETTLED_PAYMENTS and case.stands_still(
            since, payment.swept_at, order.subject
        ):
            detail = f"payment {payment.pk} is {payment.status}, the order is {order.status}"
            yield _about(case, "payment_stuck", detail, payment.pk)


def _stuck_refunds(case: Case) -> Iterator[Difference]:
    for refund in case.order.refunds.all():
        if refund.status in OPEN_REFUNDS and case.stands_still(
            refund.created_at, refund.swept_at, case.order.subject
        ):
            since = f"{refund.created_at:%Y-%m-%d %H:%M}"
            detail = f"refund {refund.pk} of {refund.amount_cents} is {refund.status} since {since}"
            yield _about(case, "refund_stuck", detail, refund.pk)


def _mails(case: Case) -> Iterator[Difference]:
    order = case.order
    written: set[tuple[str, str]] = set()
    for mail in order.notifications.all():
        written.add((mail.kind, mail.cause))
        if mail.status == Notification.Status.REFUSED:
            detail = f"{mail.get_kind_display()}: {mail.problem}"
            yield _about(case, "mail_refused", detail, mail.pk)
        elif mail.status == Notification.Status.PENDING and case.stands_still(
            mail.created_at, mail.swept_at, f"notification:{mail.pk}"
        ):
            detail = f"{mail.get_kind_display()} waits since {mail.created_at:%Y-%m-%d %H:%M}"
            yield _about(case, "mail_stuck", detail, mail.pk)
    if order.erased_at is not None:
        return  # Nobody is left to be told.
    for kind, cause in mails_due(order):
        if (kind, cause) not in written:
            detail = f"{kind.label}{f' for {cause}' if cause else ''} was never written"
            yield Difference(
                "mail_missing",
                order.number,
                detail,
                order_id=order.pk,
                mail_kind=kind,
                mail_cause=cause,
            )


def _about(case: Case, code: str, detail: str, target_id: int | None = None) -> Difference:
    return Difference(code, case.order.number, detail, order_id=case.order.pk, target_id=target_id)
