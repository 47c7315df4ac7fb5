"""Rules about what must not be forgotten: steps that stand still, and mails. Pure."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings

from orders.models import Notification, Order
from orders.services.audit_faults import Difference
from orders.services.audit_scope import Case
from orders.states import (
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
    yield from _stuck_returns(case)
    yield from _mails(case)


def mails_due(case: Case) -> Iterator[_Owed]:
    """(kind, cause) of every mail that the order's shopper must have been owed by now."""
    order = case.order
    if order.fulfilment in DEDUCTED:
        yield _Kind.ORDER_CONFIRMED, ""
    if order.status == OrderStatus.CANCELLED:
        yield _Kind.ORDER_CANCELLED, ""
    if order.status == OrderStatus.EXPIRED:
        yield _Kind.ORDER_EXPIRED, ""
    # An earlier decline may have come for an order that nobody was waiting to pay any more.
    failed = order.status == OrderStatus.PAYMENT_FAILED
    last = case.payments[-1] if case.payments and failed else None
    if last is not None and last.status == PaymentStatus.DECLINED:
        yield _Kind.PAYMENT_DECLINED, f"payment:{last.pk}"
    for parcel in case.parcels:
        yield _Kind.ORDER_SHIPPED, f"shipment:{parcel.pk}"
        if parcel.status == ShipmentStatus.DELIVERED:
            yield _Kind.ORDER_DELIVERED, f"shipment:{parcel.pk}"
    for refund in case.refunds:
        if refund.status == RefundStatus.MOVED:
            yield _Kind.REFUND_SENT, f"refund:{refund.pk}"
    for coming in case.returns:
        yield _Kind.RETURN_ANNOUNCED, f"return:{coming.pk}"
        if coming.status == ReturnStatus.RECEIVED:
            yield _Kind.RETURN_RECEIVED, f"return:{coming.pk}"


def _stuck_order(case: Case) -> Iterator[Difference]:
    order = case.order
    since = order.changed_at
    if _waits_for_shopper(case):
        # Until the hold has ended the next step is the shopper's, then it is ours.
        since = order.hold_expires_at
        if since > case.now:
            return
    elif not _waits_for_us(order):
        return
    if case.stands_still(since, order.swept_at, order.subject):
        detail = f"is {order.status} and {order.fulfilment} since {since:%Y-%m-%d %H:%M}"
        yield _about(case, "order_stuck", detail)


def _waits_for_shopper(case: Case) -> bool:
    order = case.order
    at_bank = any(payment.status == PaymentStatus.ACTION_REQUIRED for payment in case.payments)
    return order.status == OrderStatus.PAYMENT_FAILED or (
        order.status == OrderStatus.PLACED and at_bank
    )


def _waits_for_us(order: Order) -> bool:
    unpacked = order.fulfilment == FulfilmentStatus.UNFULFILLED
    return order.status == OrderStatus.PLACED or (order.status == OrderStatus.PAID and unpacked)


def _stuck_payments(case: Case) -> Iterator[Difference]:
    order = case.order
    if order.status == OrderStatus.PLACED:
        return  # It is the order's next step.
    for payment in case.payments:
        since = max(payment.created_at, order.changed_at)
        if payment.status in UNSETTLED_PAYMENTS and case.stands_still(
            since, payment.swept_at, order.subject
        ):
            detail = f"payment {payment.pk} is {payment.status}, the order is {order.status}"
            yield _about(case, "payment_stuck", detail, payment.pk)


def _stuck_refunds(case: Case) -> Iterator[Difference]:
    for refund in case.refunds:
        if refund.status in OPEN_REFUNDS and case.stands_still(
            refund.created_at, refund.swept_at, case.order.subject
        ):
            since = f"{refund.created_at:%Y-%m-%d %H:%M}"
            detail = f"refund {refund.pk} of {refund.amount_cents} is {refund.status} since {since}"
            yield _about(case, "refund_stuck", detail, refund.pk)


def _stuck_returns(case: Case) -> Iterator[Difference]:
    days = timedelta(days=settings.RETURN_DAYS)
    grace = timedelta(seconds=settings.STUCK_AFTER_SECONDS)
    for coming in case.returns:
        ended_at = coming.announced_at + days
        if coming.status == ReturnStatus.ANNOUNCED and ended_at + grace < case.now:
            detail = f"return {coming.pk} is awaited since {coming.announced_at:%Y-%m-%d}"
            yield _about(case, "return_stuck", detail, coming.pk)


def _mails(case: Case) -> Iterator[Difference]:
    order = case.order
    written: set[tuple[str, str]] = set()
    for mail in case.mails:
        written.add((mail.kind, mail.cause))
        if mail.status == Notification.Status.REFUSED:
            # Mail servers like to repeat the address; a filed report names no shopper.
            problem = mail.problem.replace(mail.recipient, "(its address)")
            detail = f"{mail.get_kind_display()}: {problem}"
            yield _about(case, "mail_refused", detail, mail.pk)
        elif mail.status == Notification.Status.PENDING and case.stands_still(
            mail.created_at, mail.swept_at, f"notification:{mail.pk}"
        ):
            detail = f"{mail.get_kind_display()} waits since {mail.created_at:%Y-%m-%d %H:%M}"
            yield _about(case, "mail_stuck", detail, mail.pk)
    if order.erased_at is not None:
        return  # Nobody is left to be told.
    for kind, cause in mails_due(case):
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
