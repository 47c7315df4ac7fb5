"""What an audit looks at: all orders, those of a period, or a few; read in batches."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Prefetch, Q, QuerySet

from orders.gateways.payment import GatewayCapture, GatewayRefund
from orders.models import Notification, Order, OrderLine, Refund, Return, Shipment
from orders.services.audit_books import Books, PlacedBooks
from tasks.causes import HEALED_BY_SWEEPS
from tasks.models import DeadLetter

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
    """One order with all that belongs to it, at one moment. Its relations are prefetched.

    ``dead``: subjects with an open dead letter that a person must look at. ``settled``: nothing
    should be in flight any more.
    """

    order: Order
    captures: list[GatewayCapture]
    refunds: list[GatewayRefund]
    read_at: datetime
    now: datetime
    settled: bool = False
    dead: frozenset[str] = field(default_factory=frozenset)

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
    while batch := list(_with_relations(scope.orders().filter(pk__gt=last))[:BATCH]):
        last = batch[-1].pk
        dead = _dead_subjects(batch)
        for order in batch:
            yield Case(
                order,
                placed.captures.get(order.pk, []),
                placed.refunds.get(order.pk, []),
                books.read_at,
                now,
                settled,
                dead,
            )


def _with_relations(orders: QuerySet[Order]) -> QuerySet[Order]:
    mails = Notification.objects.order_by("pk").defer("text", "html")
    lines = OrderLine.objects.select_related("hold").prefetch_related("movements")
    return (
        orders.only(*_ORDER_FIELDS)
        .order_by("pk")
        .prefetch_related(
            "payments",
            Prefetch("lines", lines),
            Prefetch("refunds", Refund.objects.prefetch_related("lines")),
            Prefetch("shipments", Shipment.objects.prefetch_related("lines")),
            Prefetch("returns", Return.objects.prefetch_related("lines")),
            Prefetch("notifications", mails),
        )
    )


def _dead_subjects(orders: list[Order]) -> frozenset[str]:
    subjects = [
        *(order.subject for order in orders),
        *(f"notification:{mail.pk}" for order in orders for mail in order.notifications.all()),
        *(f"refund:{refund.pk}" for order in orders for refund in order.refunds.all()),
    ]
    letters = DeadLetter.objects.filter(status=DeadLetter.Status.OPEN, subject__in=subjects)
    return frozenset(letters.exclude(cause__in=HEALED_BY_SWEEPS).values_list("subject", flat=True))
