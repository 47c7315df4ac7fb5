"""Units on their way back: the shopper announces them, the staff receives and refunds them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from orders import events, metrics
from orders.errors import NotReturnable
from orders.locked import honest_about_locks
from orders.locks import lock_order
from orders.models import Notification, Order, OrderLine, Return, ReturnLine
from orders.services import refund, stock
from orders.services.lines import LineQuantity, choose
from orders.services.notification import announce
from orders.services.timeline import record_event
from orders.states import RETURN_TRANSITIONS, OrderStatus, ReturnStatus, sources
from tasks.sweeping import overdue, sweep

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReceivedLine:
    """What came back of one line, in units; ``restocked`` of them can be sold again."""

    line_id: int
    received: int
    restocked: int


def may_return(order: Order) -> bool:
    """Whether something of it may be announced as coming back. Reads prefetched relations."""
    limit = timezone.now() - timedelta(days=settings.RETURN_WINDOW_DAYS)
    recent = any(parcel.shipped_at >= limit for parcel in order.shipments.all())
    return (
        order.status == OrderStatus.PAID
        and recent
        and any(line.returnable for line in order.lines.all())
    )


def announce_return(
    order_id: int, *, form_key: UUID, lines: tuple[LineQuantity, ...], reason: str, actor: str
) -> Return:
    """Say that these shipped units (none named: all of them) come back.

    ``form_key`` is drawn with the form: sent twice, it is one return. Raises NotReturnable, Busy.
    """
    try:
        with honest_about_locks(), transaction.atomic():
            order = lock_order(order_id)
            existing = Return.objects.filter(form_key=form_key, order=order).first()
            return existing or _announce(order, form_key, lines, reason, actor)
    except IntegrityError as error:
        if Return.objects.filter(form_key=form_key).exists():
            raise NotReturnable(
                "This form was used for another order already. Load the page again."
            ) from error
        raise


def _announce(
    order: Order, form_key: UUID, wanted: tuple[LineQuantity, ...], reason: str, actor: str
) -> Return:
    if not may_return(order):
        raise NotReturnable(
            f"Nothing of this order can be sent back now. Parcels can be sent back within "
            f"{settings.RETURN_WINDOW_DAYS} days. Ask us if something is wrong with one."
        )
    units = choose(
        order.lines.all(),
        wanted,
        limit=lambda line: line.returnable,
        refusal=NotReturnable,
        to_be="sent back",
    )
    announced = Return.objects.create(order=order, form_key=form_key, reason=reason.strip()[:300])
    ReturnLine.objects.bulk_create(
        ReturnLine(parent=announced, line=line, quantity=quantity)
        for line, quantity in units.items()
    )
    for line, quantity in units.items():
        OrderLine.objects.filter(pk=line.pk).update(returning=F("returning") + quantity)
    contents = ", ".join(f"{quantity} × {line.title}" for line, quantity in units.items())
    record_event(order.pk, "return_announced", f"Comes back: {contents}"[:300], actor=actor)
    announce(order, Notification.Kind.RETURN_ANNOUNCED, cause=f"return:{announced.pk}")
    return announced


def withdraw_return(return_id: int, *, actor: str) -> None:
    """The units stay where they are. A second time does nothing; Busy."""
    _give_up(return_id, ReturnStatus.WITHDRAWN, "It stays with the shopper.", actor)


def lapse_returns() -> int:
    """Close returns that were announced long ago and never arrived; how many."""
    awaited = Return.objects.filter(status=ReturnStatus.ANNOUNCED)
    line = overdue(awaited, since="announced_at", after_seconds=settings.RETURN_DAYS * 86_400)
    text = f"Did not arrive within {settings.RETURN_DAYS} days."
    return sweep(line, lambda one: _give_up(one.pk, ReturnStatus.LAPSED, text, "sweeper"))


def _give_up(return_id: int, status: ReturnStatus, text: str, actor: str) -> bool:
    order_id = Return.objects.values_list("order_id", flat=True).get(pk=return_id)
    with honest_about_locks(), transaction.atomic():
        lock_order(order_id)
        awaited = Return.objects.filter(
            pk=return_id, status__in=sources(RETURN_TRANSITIONS, status)
        )
        if not awaited.update(status=status):
            return False
        for item in ReturnLine.objects.filter(parent_id=return_id):
            OrderLine.objects.filter(pk=item.line_id).update(
                returning=F("returning") - item.quantity
            )
        record_event(order_id, f"return_{status}", text, actor=actor)
    return True


def receive_return(
    return_id: int, *, received: tuple[ReceivedLine, ...], refund_cents: int | None, actor: str
) -> None:
    """Write down what came, put it on the shelf or write it off, and refund it.

    ``refund_cents``: None refunds the price of what came, as far as it was not refunded already; 0
    refunds nothing. A return that was received already is left alone. Raises NotReturnable,
    NotRefundable, Busy.
    """
    order_id = Return.objects.values_list("order_id", flat=True).get(pk=return_id)
    with honest_about_locks(), transaction.atomic():
        order = lock_order(order_id)
        coming = Return.objects.get(pk=return_id)
        if coming.status == ReturnStatus.RECEIVED:
            return
        if ReturnStatus.RECEIVED not in RETURN_TRANSITIONS[ReturnStatus(coming.status)]:
            raise NotReturnable("This return was withdrawn. Ask the shopper to announce it again.")
        _receive(order, coming, received, refund_cents, actor)
    log.info("return_received", order=order.subject, returned=return_id)


def _receive(
    order: Order,
    coming: Return,
    received: tuple[ReceivedLine, ...],
    refund_cents: int | None,
    actor: str,
) -> None:
    items = {item.line_id: item for item in coming.lines.select_related("line")}
    came = _checked(items, received)
    lapsed = coming.status == ReturnStatus.LAPSED
    for item in items.values():
        got = came.get(item.line_id)
        number = got.received if got else 0
        _count(item, number, got.restocked if got else 0, lapsed=lapsed)
    Return.objects.filter(pk=coming.pk).update(status=ReturnStatus.RECEIVED, received_at=Now())
    contents = ", ".join(f"{got.received} × {items[pk].line.title}" for pk, got in came.items())
    record_event(order.pk, "return_received", f"Came back: {contents}"[:300], actor=actor)
    announce(order, Notification.Kind.RETURN_RECEIVED, cause=f"return:{coming.pk}")
    _refund(
        order,
        coming,
        {items[pk].line: got.received for pk, got in came.items()},
        refund_cents,
        actor,
    )
    events.return_received(Return.objects.get(pk=coming.pk))
    stock.return_units(
        (stock.BackUnits(items[pk].line, got.received, got.restocked) for pk, got in came.items()),
        cause=f"return:{coming.pk}",
        reason=f"return {coming.pk}",
        actor=actor,
    )
    metrics.return_received()


def _checked(
    items: Mapping[int, ReturnLine], received: tuple[ReceivedLine, ...]
) -> dict[int, ReceivedLine]:
    for got in received:
        item = items.get(got.line_id)
        if item is None:
            raise NotReturnable("That line was not announced. Load the page again.")
        if not 0 <= got.restocked <= got.received <= item.quantity:
            raise NotReturnable(
                f"{item.line.title}: {item.quantity} were announced, so 0 to {item.quantity} can "
                "have come, and no more can go on the shelf than came."
            )
    came = {got.line_id: got for got in received if got.received}
    if not came:
        raise NotReturnable("Nothing came? Then leave the return open, or withdraw it.")
    return came


def _count(item: ReturnLine, received: int, restocked: int, *, lapsed: bool) -> None:
    ReturnLine.objects.filter(pk=item.pk).update(received=received, restocked=restocked)
    # What was announced and did not come may be announced again; a lapsed return had given all of
    # its units free.
    still = received if lapsed else received - item.quantity
    changed = OrderLine.objects.filter(pk=item.line_id, shipped__gte=F("returning") + still).update(
        returning=F("returning") + still, returned=F("returned") + received
    )
    if not changed:
        raise NotReturnable(
            f"{item.line.title}: these units were announced again in another return. "
            "Receive that one."
        )


def _refund(
    order: Order,
    coming: Return,
    units: Mapping[OrderLine, int],
    refund_cents: int | None,
    actor: str,
) -> None:
    unpaid = {
        line: min(quantity, line.refundable) for line, quantity in units.items() if line.refundable
    }
    price = sum(line.unit_price_cents * quantity for line, quantity in unpaid.items())
    left = sum(payment.refundable_cents for payment in order.payments.all())
    amount = min(price, left) if refund_cents is None else refund_cents
    if amount == 0:
        return
    refunds = refund.reserve(
        order,
        cause=f"return:{coming.pk}",
        amount_cents=amount,
        reason=f"Return {coming.pk} received.",
        actor=actor,
        units=unpaid,
    )
    Return.objects.filter(pk=coming.pk).update(refund=refunds[0])
