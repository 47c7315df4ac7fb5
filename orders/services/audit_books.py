"""The provider's books, and whose money each entry is."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from django.db.models import Q

from orders.gateways.payment import GatewayCapture, GatewayRefund, PaymentGateway
from orders.models import Order, Payment, Refund

_CHUNK = 5_000
Entry = TypeVar("Entry", GatewayCapture, GatewayRefund)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Books:
    """What the provider had written down. ``read_at`` is the database's clock before reading began:
    what was settled here later may be missing there."""

    read_at: datetime
    captures: tuple[GatewayCapture, ...]
    refunds: tuple[GatewayRefund, ...]


@dataclass(frozen=True, slots=True)
class PlacedBooks:
    """Entries by the id of the order that they belong to; the strays belong to none."""

    captures: dict[int, list[GatewayCapture]] = field(default_factory=dict)
    refunds: dict[int, list[GatewayRefund]] = field(default_factory=dict)
    stray_captures: tuple[GatewayCapture, ...] = ()
    stray_refunds: tuple[GatewayRefund, ...] = ()


def read_books(
    gateway: PaymentGateway,
    read_at: datetime,
    *,
    since: datetime | None = None,
    allow: Callable[[int], None] = lambda entries: None,
) -> Books:
    """All entries from ``since`` on, page by page. ``allow`` is asked with the number of entries
    read so far and may raise to end it. Raises what the gateway raises."""
    # Refunds first: else a refund could be read whose capture came after we had read those.
    refunds = tuple(_counted(gateway.refunds(since=since), allow))
    captures = tuple(_counted(gateway.captures(since=since), allow))
    return Books(read_at, captures, refunds)


def _counted(entries: Iterator[Entry], allow: Callable[[int], None]) -> Iterator[Entry]:
    for number, entry in enumerate(entries):
        allow(number)
        yield entry


def place(books: Books) -> PlacedBooks:
    """Whose is each entry: by our own reference, else by the ids and the number it carries."""
    orders = _OrderFinder(books)
    captures: dict[int, list[GatewayCapture]] = defaultdict(list)
    refunds: dict[int, list[GatewayRefund]] = defaultdict(list)
    stray_captures, stray_refunds = [], []
    by_charge: dict[str, int] = {}
    for capture in books.captures:
        owner = orders.of_capture(capture)
        if owner is None:
            stray_captures.append(capture)
        else:
            by_charge[capture.reference] = owner
            captures[owner].append(capture)
    for refund in books.refunds:
        owner = orders.of_refund(refund)
        owner = by_charge.get(refund.payment_reference) if owner is None else owner
        if owner is None:
            stray_refunds.append(refund)
        else:
            refunds[owner].append(refund)
    return PlacedBooks(captures, refunds, tuple(stray_captures), tuple(stray_refunds))


class _OrderFinder:
    """Our rows that the books name, read in as few statements as there are kinds of names."""

    def __init__(self, books: Books) -> None:
        self._by_charge: dict[str, int] = {}
        self._by_payment: dict[int, int] = {}
        self._by_refund_reference: dict[str, int] = {}
        self._by_refund: dict[int, int] = {}
        self._by_number: dict[str, int] = {}
        for captures in _chunks(books.captures):
            self._learn_payments(
                {entry.reference for entry in captures}, {entry.payment_id for entry in captures}
            )
        for refunds in _chunks(books.refunds):
            self._learn_refunds(refunds)
            self._learn_payments(
                {entry.payment_reference for entry in refunds},
                {entry.payment_id for entry in refunds},
            )
        unknown = [
            *(entry.order_number for entry in books.captures if not self._capture_owner(entry)),
            *(entry.order_number for entry in books.refunds if not self._refund_owner(entry)),
        ]
        for numbers in _chunks(unknown):
            rows = Order.objects.filter(number__in=set(numbers))
            self._by_number.update(rows.order_by().values_list("number", "pk"))

    def of_capture(self, capture: GatewayCapture) -> int | None:
        owner = self._capture_owner(capture)
        return self._by_number.get(capture.order_number) if owner is None else owner

    def of_refund(self, refund: GatewayRefund) -> int | None:
        owner = self._refund_owner(refund)
        return self._by_number.get(refund.order_number) if owner is None else owner

    def _capture_owner(self, capture: GatewayCapture) -> int | None:
        owner = self._by_charge.get(capture.reference)
        return self._by_payment.get(capture.payment_id or 0) if owner is None else owner

    def _refund_owner(self, refund: GatewayRefund) -> int | None:
        for owner in (
            self._by_refund_reference.get(refund.reference),
            self._by_refund.get(refund.refund_id or 0),
            self._by_charge.get(refund.payment_reference),
            self._by_payment.get(refund.payment_id or 0),
        ):
            if owner is not None:
                return owner
        return None

    def _learn_payments(self, references: set[str], ids: set[int | None]) -> None:
        rows = Payment.objects.filter(
            Q(gateway_reference__in=references - {""}) | Q(pk__in=ids - {None})
        )
        for pk, reference, order_id in rows.order_by().values_list(
            "pk", "gateway_reference", "order_id"
        ):
            self._by_payment[pk] = order_id
            if reference:
                self._by_charge[reference] = order_id

    def _learn_refunds(self, entries: Sequence[GatewayRefund]) -> None:
        rows = Refund.objects.filter(
            Q(gateway_reference__in={entry.reference for entry in entries})
            | Q(pk__in={entry.refund_id for entry in entries} - {None})
        )
        for pk, reference, order_id in rows.order_by().values_list(
            "pk", "gateway_reference", "order_id"
        ):
            self._by_refund[pk] = order_id
            if reference:
                self._by_refund_reference[reference] = order_id


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
