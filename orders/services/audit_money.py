"""Rules about money: the order, its payments and refunds, and what the provider says. Pure."""

from collections import Counter
from collections.abc import Iterator

from orders.gateways.payment import GatewayCapture, GatewayRefund
from orders.models import Payment, Refund
from orders.services.audit_books import PlacedBooks
from orders.services.audit_faults import Difference
from orders.services.audit_scope import Case, Scope
from orders.states import (
    CLOSED_ORDERS,
    OPEN_REFUNDS,
    UNSETTLED_PAYMENTS,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
)


def money_differences(case: Case) -> Iterator[Difference]:
    """What is wrong with the money of one order."""
    payments, refunds = case.payments, case.refunds
    yield from _order_against_payments(case, payments, refunds)
    yield from _provider_keeps_too_much(case, refunds)
    yield from _charges_there(case, payments)
    yield from _charges_here(case, payments)
    yield from _refunds_there(case, refunds)
    yield from _refunds_here(case, refunds)


def stray_differences(scope: Scope, placed: PlacedBooks) -> Iterator[Difference]:
    """Money at the provider that belongs to no order, as far as it is this audit's business."""
    for capture in placed.stray_captures:
        if scope.has_moment(capture.captured_at):
            yield Difference("charge_unknown", _name(capture), _charge(capture))
    for refund in placed.stray_refunds:
        if scope.has_moment(refund.refunded_at):
            yield Difference("refund_unknown", _name(refund), _back(refund))


def _order_against_payments(
    case: Case, payments: list[Payment], refunds: list[Refund]
) -> Iterator[Difference]:
    order = case.order
    captured = [payment for payment in payments if payment.status == PaymentStatus.CAPTURED]
    taken = sum(payment.amount_cents for payment in captured)
    if order.status == OrderStatus.PAID and taken < order.total_cents:
        detail = f"costs {order.total_cents}, {taken} captured"
        yield _about(case, "paid_without_money", detail)
    if order.status in (OrderStatus.PLACED, OrderStatus.PAYMENT_FAILED) and taken:
        detail = f"is {order.status}, {taken} captured"
        yield _about(case, "money_without_order", detail)
    refused = {item.payment_id for item in refunds if item.status == RefundStatus.REFUSED}
    reserved = Counter[int]()
    for item in refunds:
        if item.status != RefundStatus.REFUSED:
            reserved[item.payment_id] += item.amount_cents
    for payment in captured:
        kept = payment.amount_cents - reserved[payment.pk]
        if order.status in CLOSED_ORDERS and kept > 0 and payment.pk not in refused:
            # A person who refunded a part has decided about the rest.
            code = "money_kept" if reserved[payment.pk] else "money_without_order"
            detail = f"is {order.status}, {kept} of {payment.amount_cents} kept"
            yield _about(case, code, detail, payment.pk)
    for payment in payments:
        if payment.refund_reserved_cents != reserved[payment.pk]:
            detail = (
                f"payment {payment.pk} reserves {payment.refund_reserved_cents}, "
                f"its refunds are {reserved[payment.pk]}"
            )
            yield _about(case, "reservation_differs", detail, payment.pk)


def _provider_keeps_too_much(case: Case, refunds: list[Refund]) -> Iterator[Difference]:
    listed = {entry.reference for entry in case.refunds_there}
    # Money that is on its way back, or went back after the books were read.
    under_way = sum(
        refund.amount_cents
        for refund in refunds
        if refund.gateway_reference not in listed
        and (
            refund.status in OPEN_REFUNDS
            or (refund.status == RefundStatus.MOVED and not _was_there(case, refund))
        )
    )
    came = sum(capture.amount_cents for capture in case.captures_there)
    back = sum(entry.amount_cents for entry in case.refunds_there)
    if came - back - under_way > case.order.total_cents:
        references = ", ".join(capture.reference for capture in case.captures_there)
        detail = (
            f"costs {case.order.total_cents}; {came} charged ({references}), "
            f"{back + under_way} back or on the way"
        )
        yield _about(case, "charged_twice", detail)


def _charges_there(case: Case, payments: list[Payment]) -> Iterator[Difference]:
    ours = {payment.gateway_reference: payment for payment in payments}
    by_id = {payment.pk: payment for payment in payments}
    back = Counter[str]()
    for entry in case.refunds_there:
        back[entry.payment_reference] += entry.amount_cents
    for capture in case.captures_there:
        payment = ours.get(capture.reference) or by_id.get(capture.payment_id or 0)
        if back[capture.reference] > capture.amount_cents:
            detail = f"{_charge(capture)}, {back[capture.reference]} went back"
            yield _about(case, "refunded_beyond_capture", detail)
        if payment is None:
            yield _about(case, "charge_unknown", _charge(capture))
        elif payment.status in UNSETTLED_PAYMENTS:
            continue  # It is being asked about: in flight, not lost.
        elif payment.status != PaymentStatus.CAPTURED and _would_be_found(payment, capture):
            detail = f"{_charge(capture)}; payment {payment.pk} is {payment.status}"
            yield _about(case, "charge_not_written", detail, payment.pk)
        elif payment.gateway_reference != capture.reference:
            detail = f"{_charge(capture)}, besides {payment.gateway_reference}"
            yield _about(case, "charge_unknown", detail, payment.pk)
        elif (payment.amount_cents, payment.currency.lower()) != _value(capture):
            detail = f"{payment.amount_cents} {payment.currency} agreed, {_charge(capture)}"
            yield _about(case, "amount_differs", detail, payment.pk)


def _charges_here(case: Case, payments: list[Payment]) -> Iterator[Difference]:
    theirs = {capture.reference for capture in case.captures_there}
    for payment in payments:
        known = payment.gateway_reference in theirs
        if payment.status == PaymentStatus.CAPTURED and not known and _was_there(case, payment):
            detail = (
                f"payment {payment.pk}, {payment.amount_cents} {payment.currency}, is not known"
            )
            yield _about(
                case,
                "capture_missing",
                f"{detail} there as {payment.gateway_reference or '(no reference)'}",
                payment.pk,
            )


def _refunds_there(case: Case, refunds: list[Refund]) -> Iterator[Difference]:
    ours = {refund.gateway_reference: refund for refund in refunds}
    by_id = {refund.pk: refund for refund in refunds}
    for entry in case.refunds_there:
        refund = ours.get(entry.reference) or by_id.get(entry.refund_id or 0)
        if refund is None:
            yield _about(case, "refund_unknown", _back(entry))
        elif refund.status in OPEN_REFUNDS:
            continue  # It is being asked about: in flight, not lost.
        elif refund.status == RefundStatus.REFUSED:
            detail = f"{_back(entry)}; refund {refund.pk} counts as refused"
            yield _about(case, "refund_not_written", detail, refund.pk)
        elif refund.gateway_reference != entry.reference:
            detail = f"{_back(entry)}, besides {refund.gateway_reference}"
            yield _about(case, "refund_unknown", detail, refund.pk)
        elif (refund.amount_cents, refund.currency.lower()) != _value(entry):
            detail = f"{refund.amount_cents} {refund.currency} agreed, {_back(entry)}"
            yield _about(case, "refund_amount_differs", detail, refund.pk)


def _refunds_here(case: Case, refunds: list[Refund]) -> Iterator[Difference]:
    theirs = {entry.reference for entry in case.refunds_there}
    for refund in refunds:
        moved = refund.status == RefundStatus.MOVED
        if moved and refund.gateway_reference not in theirs and _was_there(case, refund):
            detail = f"refund {refund.pk}, {refund.amount_cents} {refund.currency}, is not known"
            yield _about(
                case,
                "refund_missing",
                f"{detail} there as {refund.gateway_reference or '(no reference)'}",
                refund.pk,
            )
        if refund.status == RefundStatus.REFUSED:
            detail = f"refund {refund.pk}, {refund.amount_cents} {refund.currency}"
            yield _about(case, "refund_refused", f"{detail}: {refund.problem}", refund.pk)


def _would_be_found(payment: Payment, capture: GatewayCapture) -> bool:
    """Whether the worker that looks the payment up comes upon this charge."""
    return payment.gateway_reference in ("", capture.reference)


def _was_there(case: Case, row: Payment | Refund) -> bool:
    """Whether it was settled before the books were read, so that they must know it."""
    return (row.settled_at or case.read_at) <= case.read_at


def _value(entry: GatewayCapture | GatewayRefund) -> tuple[int, str]:
    return entry.amount_cents, entry.currency.lower()


def _charge(capture: GatewayCapture) -> str:
    return f"{capture.amount_cents} {capture.currency} charged ({capture.reference})"


def _back(refund: GatewayRefund) -> str:
    return f"{refund.amount_cents} {refund.currency} went back ({refund.reference})"


def _name(entry: GatewayCapture | GatewayRefund) -> str:
    return entry.order_number or entry.reference


def _about(case: Case, code: str, detail: str, target_id: int | None = None) -> Difference:
    return Difference(code, case.order.number, detail, order_id=case.order.pk, target_id=target_id)
