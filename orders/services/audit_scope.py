"""What an audit looks at: all orders, those of a period, or a few; read in batches."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.db.models import Model, Q, QuerySet

from orders.gateways.payment import GatewayCapture, GatewayRefund
from orders.models import (
    Notification,
    Order,
    OrderLine,
    Payment,
    Refund,
    RefundLine,
    Return,
    ReturnLine,
    Shipment,
    ShipmentLine,
    StockHold,
    StockMovement,
)
from orders.services.audit_books import Books, PlacedBooks
from tasks.causes import HEALED_BY_SWEEPS
from tasks.models import DeadLetter

_OfOrder = OrderLine | Payment | Refund | Shipment | Return | Notification
_OfLine = StockHold | StockMovement | RefundLine | ShipmentLine | ReturnLine
Row = TypeVar("Row", bound=Model)

BATCH = 1_000
_CLOCKS_APART = timedelta(hours=1)
# A bank may be silent for hours, asked again and again; after a day that is a person's business.
_LONGEST_WAIT = timedelta(days=1)
_ORDER_FIELDS = (
    *("number", "currency", "total_cents", "status", "fulfilment", "placed_at", "changed_at"),
    *("hold_expires_at", "swept_at", "erased_at"),
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Orders placed in [``start``, ``end``), or those with the ``order_ids``; neither: all of them.

    Money at the provider that belongs to no order counts by when it moved, and not at all when
    orders are named.
    """

    start: datetime | None = None
    end: datetime | None = None
    order_ids: Collection[int] | None = None

    @property
    def is_everything(self) -> bool:
        return self.start is None and self.end is None and self.order_ids is None

    def orders(self) -> QuerySet[Order]:
        wanted = Q()
        if self.start is not None:
            wanted &= Q(placed_at__gte=self.start)
        if self.end is not None:
            wanted &= Q(placed_at__lt=self.end)
        if self.order_ids is not None:
            wanted &= Q(pk__in=self.order_ids)
        return Order.objects.filter(wanted)

    def books_since(self) -> datetime | None:
        """From when on the provider's books matter: money follows its order, never precedes it."""
        start = self.start
        if self.order_ids is not None:
            start = self.orders().order_by("placed_at").values_list("placed_at", flat=True).first()
        return start - _CLOCKS_APART if start is not None else None

    def has_moment(self, moment: datetime) -> bool:
        """Whether money that belongs to no order, and moved then, is this audit's business."""
        if self.order_ids is not None:
            return False
        after_start = self.start is None or moment >= self.start
        return after_start and (self.end is None or moment < self.end)


@dataclass(frozen=True, slots=True)
class Case:
    """One order with all that belongs to it, at one moment.

    ``captures_there`` and ``refunds_there`` are the provider's, as of ``read_at``. ``dead``:
    subjects with an open dead letter that a person must look at. ``settled``: nothing should be in
    flight any more.
    """

    order: Order
    lines: list[OrderLine]
    holds: list[StockHold]
    movements: list[StockMovement]
    payments: list[Payment]
    refunds: list[Refund]
    refund_lines: list[RefundLine]
    parcels: list[Shipment]
    parcel_lines: list[ShipmentLine]
    returns: list[Return]
    return_lines: list[ReturnLine]
    mails: list[Notification]
    captures_there: list[GatewayCapture]
    refunds_there: list[GatewayRefund]
    read_at: datetime
    now: datetime
    settled: bool
    dead: frozenset[str]

    def stands_still(self, since: datetime, swept_at: datetime | None, subject: str) -> bool:
        """Whether work that waits ``since`` then has been left alone for too long."""
        if self.settled:
            return True
        limit = self.now - timedelta(seconds=settings.STUCK_AFTER_SECONDS)
        if since > limit:
            return False
        # A sweep tries again and again what may still help itself.
        tried_at = max(since, swept_at or since)
        return tried_at <= limit or subject in self.dead or since <= self.now - _LONGEST_WAIT


def cases(
    scope: Scope, books: Books, placed: PlacedBooks, *, now: datetime, settled: bool
) -> Iterator[Case]:
    """Every order of the scope, oldest first, ``BATCH`` in memory at a time."""
    last = 0
    orders = scope.orders().only(*_ORDER_FIELDS).order_by("pk")
    while batch := list(orders.filter(pk__gt=last)[:BATCH]):
        last = batch[-1].pk
        papers = _Papers(batch)
        for order in batch:
            yield Case(
                order=order,
                lines=papers.lines[order.pk],
                holds=papers.holds[order.pk],
                movements=papers.movements[order.pk],
                payments=papers.payments[order.pk],
                refunds=papers.refunds[order.pk],
                refund_lines=papers.refund_lines[order.pk],
                parcels=papers.parcels[order.pk],
                parcel_lines=papers.parcel_lines[order.pk],
                returns=papers.returns[order.pk],
                return_lines=papers.return_lines[order.pk],
                mails=papers.mails[order.pk],
                captures_there=placed.captures.get(order.pk, []),
                refunds_there=placed.refunds.get(order.pk, []),
                read_at=books.read_at,
                now=now,
                settled=settled,
                dead=papers.dead,
            )


class _Papers:
    """What belongs to a batch of orders, by the order's id: one statement for each kind.

    Django's prefetching would do the same and make a queryset for every order and relation, which
    takes twice as long as everything else.
    """

    def __init__(self, orders: list[Order]) -> None:
        ids = [order.pk for order in orders]
        self.lines = _grouped(OrderLine.objects.filter(order__in=ids), _order_of)
        self.payments = _grouped(Payment.objects.filter(order__in=ids), _order_of)
        self.refunds = _grouped(Refund.objects.filter(order__in=ids), _order_of)
        self.parcels = _grouped(Shipment.objects.filter(order__in=ids), _order_of)
        self.returns = _grouped(Return.objects.filter(order__in=ids), _order_of)
        mails = Notification.objects.filter(order__in=ids).defer("text", "html")
        self.mails = _grouped(mails, _order_of)
        owner = {line.pk: line.order_id for lines in self.lines.values() for line in lines}

        def of_line(row: _OfLine) -> int:
            return owner[row.line_id or 0]

        self.holds = _grouped(StockHold.objects.filter(line__in=owner), of_line)
        self.movements = _grouped(StockMovement.objects.filter(line__in=owner), of_line)
        self.refund_lines = _grouped(RefundLine.objects.filter(line__in=owner), of_line)
        self.parcel_lines = _grouped(ShipmentLine.objects.filter(line__in=owner), of_line)
        self.return_lines = _grouped(ReturnLine.objects.filter(line__in=owner), of_line)
        self.dead = self._dead_subjects(orders)

    def _dead_subjects(self, orders: list[Order]) -> frozenset[str]:
        letters = DeadLetter.objects.filter(
            status=DeadLetter.Status.OPEN,
            subject__in=[
                *(order.subject for order in orders),
                *(f"notification:{mail.pk}" for mails in self.mails.values() for mail in mails),
            ],
        ).exclude(cause__in=HEALED_BY_SWEEPS)
        return frozenset(letters.values_list("subject", flat=True))


def _order_of(row: _OfOrder) -> int:
    return row.order_id


def _grouped(rows: QuerySet[Row], owner: Callable[[Row], int]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows.order_by("pk"):
        found[owner(row)].append(row)
    return found
