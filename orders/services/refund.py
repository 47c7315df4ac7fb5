"""Giving money back: what is asked for is reserved on the payment, so that it can be asked once.

The request and the movement are apart. Here a refund is written down, and the message that moves
the money (``orders.services.refunding``). The reservation is a conditional UPDATE under a CHECK
constraint: two refunds at once can never exceed what was captured.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from orders import events, metrics, selectors, task_names
from orders.errors import NotRefundable
from orders.locked import honest_about_locks
from orders.locks import lock_order
from orders.models import Notification, Order, OrderLine, Payment, Refund, RefundLine
from orders.money import format_cents
from orders.services import stock
from orders.services.lines import LineQuantity, choose
from orders.services.notification import announce
from orders.services.timeline import record_event
from orders.states import DEDUCTED, FulfilmentStatus, OrderStatus, PaymentStatus, fulfilment_after
from tasks.outbox import enqueue


@dataclass(frozen=True, slots=True)
class RequestRefund:
    """``cause`` is drawn with the form (at most 60 characters): sent twice, it is one refund.

    ``lines`` are units whose price goes back; those that were not shipped leave the order, and go
    back on the shelf if ``restock``, or are written off. ``amount_cents`` overrides the price of
    the lines, or stands alone for a free amount. Neither: everything that is left.
    """

    order_id: int
    cause: str
    reason: str
    actor: str
    lines: tuple[LineQuantity, ...] = ()
    amount_cents: int | None = None
    restock: bool = True


def request_refund(command: RequestRefund) -> list[Refund]:
    """Write the refund down and owe its movement: one row for each payment that it comes from.

    Raises NotRefundable when there is less to give back than was asked for, Busy.
    """
    with honest_about_locks(), transaction.atomic():
        order = lock_order(command.order_id)
        if existing := refunds_of(order, command.cause):
            return existing
        if not command.reason.strip():
            raise NotRefundable("Say why the money goes back. The order's timeline keeps it.")
        units = _units(order, command)
        refunds = reserve(
            order,
            cause=command.cause,
            amount_cents=_amount(order, command, units),
            reason=command.reason,
            actor=command.actor,
            units=units,
        )
        withdraw(
            order,
            {line: min(quantity, line.to_ship) for line, quantity in units.items()},
            cause=command.cause,
            reason=command.reason,
            actor=command.actor,
            restock=command.restock,
        )
        return refunds


def refund_overpayment(order_id: int, *, actor: str, cause: str) -> list[Refund]:
    """Give back what was paid beyond the order's total. Raises NotRefundable, Busy."""
    with honest_about_locks(), transaction.atomic():
        order = lock_order(order_id)
        if existing := refunds_of(order, cause):
            return existing
        too_much = selectors.money(order).overpaid_cents
        if too_much == 0:
            raise NotRefundable(f"Order {order.number} was not paid twice. Nothing was refunded.")
        return reserve(
            order,
            cause=cause,
            amount_cents=too_much,
            reason="Paid more than the order costs.",
            actor=actor,
        )


def refunds_of(order: Order, cause: str) -> list[Refund]:
    """The refunds that this cause has led to, one for each payment they come from."""
    keys = [_key(cause, payment) for payment in order.payments.all()]
    return list(Refund.objects.filter(order=order, cause__in=keys))


def reserve(
    order: Order,
    *,
    cause: str,
    amount_cents: int,
    reason: str,
    actor: str,
    units: Mapping[OrderLine, int] | None = None,
) -> list[Refund]:
    """Reserve the amount on the order's payments, newest first, and owe the movement.

    Inside the caller's transaction, with the order locked. Raises NotRefundable.
    """
    refunds = []
    for payment, cents in allocate(amount_cents, _captured(order)):
        # The lock on the order makes this certain; the constraint holds without it as well.
        reserved = Payment.objects.filter(
            pk=payment.pk,
            status=PaymentStatus.CAPTURED,
            amount_cents__gte=F("refund_reserved_cents") + cents,
        ).update(refund_reserved_cents=F("refund_reserved_cents") + cents)
        if not reserved:
            raise NotRefundable("That money is being given back already. Load the page again.")
        refund = Refund.objects.create(
            order=order,
            payment=payment,
            cause=_key(cause, payment),
            amount_cents=cents,
            currency=payment.currency,
            reason=reason[:200],
            actor=actor,
        )
        refunds.append(refund)
        enqueue_refund(refund)
    if units:
        _mark_refunded(refunds[0], units)
    shown = format_cents(amount_cents, order.currency)
    record_event(order.pk, "refund_requested", f"Refund of {shown}: {reason}", actor=actor)
    metrics.refund_requested()
    return refunds


def enqueue_refund(refund: Refund) -> None:
    enqueue(
        task_names.MOVE_REFUND,
        {"order_id": refund.order_id, "refund_id": refund.pk},
        subject=f"order:{refund.order_id}",
    )


def allocate(amount_cents: int, payments: Iterable[Payment]) -> list[tuple[Payment, int]]:
    """Which payment gives how much, newest first. Pure. Raises NotRefundable."""
    parts, left = [], amount_cents
    for payment in sorted(payments, key=lambda payment: -payment.pk):
        if cents := min(left, payment.refundable_cents):
            parts.append((payment, cents))
            left -= cents
    if amount_cents < 1:
        raise NotRefundable("Nothing is left that could be given back.")
    if left:
        currency = next((payment.currency for payment in payments), "")
        most = format_cents(amount_cents - left, currency)
        raise NotRefundable(f"At most {most} can be given back. Choose a smaller amount.")
    return parts


def withdraw(
    order: Order,
    units: Mapping[OrderLine, int],
    *,
    cause: str,
    reason: str,
    actor: str,
    restock: bool,
) -> None:
    """Take unshipped units out of the order; last in the caller's transaction, order locked."""
    taken = {line: quantity for line, quantity in units.items() if quantity}
    if not taken:
        return
    for line, quantity in taken.items():
        OrderLine.objects.filter(pk=line.pk).update(withdrawn=F("withdrawn") + quantity)
    _follow_units(order, actor)
    stock.return_units(
        (
            stock.BackUnits(line, quantity, quantity if restock else 0)
            for line, quantity in taken.items()
        ),
        cause=f"withdrawn:{cause}",
        reason=reason,
        actor=actor,
    )


def _follow_units(order: Order, actor: str) -> None:
    """An order of which nothing is left to be shipped is done, or cancelled if nothing ever was."""
    lines = list(order.lines.all())
    under_way = order.shipments.filter(status="shipped").count()
    after = fulfilment_after((line.line_units for line in lines), undelivered_shipments=under_way)
    if after == FulfilmentStatus.PACKED and not any(line.to_ship for line in lines):
        Order.objects.filter(pk=order.pk).update(
            status=OrderStatus.CANCELLED, cancelled_at=Now(), changed_at=Now()
        )
        record_event(order.pk, "cancelled", "Nothing is left of the order.", actor=actor)
        announce(order, Notification.Kind.ORDER_CANCELLED)
        events.order_cancelled(order)
        metrics.order_cancelled()
    elif after != order.fulfilment:
        Order.objects.filter(pk=order.pk).update(fulfilment=after, changed_at=Now())


def _units(order: Order, command: RequestRefund) -> dict[OrderLine, int]:
    if command.amount_cents is not None and not command.lines:
        return {}
    if order.status != OrderStatus.PAID:
        # Its units are not the order's any more: only money can be left.
        return {}
    if order.fulfilment not in DEDUCTED:
        raise NotRefundable(
            "The order is just being packed. Try again in a moment, or cancel the whole order."
        )
    lines = list(order.lines.all())
    if not command.lines and not any(line.refundable for line in lines):
        return {}
    return choose(
        lines,
        command.lines,
        limit=lambda line: line.refundable,
        refusal=NotRefundable,
        to_be="refunded",
    )


def _amount(order: Order, command: RequestRefund, units: Mapping[OrderLine, int]) -> int:
    if command.amount_cents is not None:
        return command.amount_cents
    if command.lines:
        return sum(line.unit_price_cents * quantity for line, quantity in units.items())
    return sum(payment.refundable_cents for payment in _captured(order))


def _captured(order: Order) -> list[Payment]:
    return list(order.payments.filter(status=PaymentStatus.CAPTURED))


def _mark_refunded(refund: Refund, units: Mapping[OrderLine, int]) -> None:
    RefundLine.objects.bulk_create(
        RefundLine(refund=refund, line=line, quantity=quantity) for line, quantity in units.items()
    )
    for line, quantity in units.items():
        OrderLine.objects.filter(pk=line.pk).update(refunded=F("refunded") + quantity)


def _key(cause: str, payment: Payment) -> str:
    return f"{cause}:{payment.pk}"
