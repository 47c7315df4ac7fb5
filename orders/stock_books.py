"""What the ledger and the holds say about each SKU, beside what the shelf's row says.

Everything about one SKU is read by one statement, so a sale in between cannot make it look wrong.
"""

from dataclasses import dataclass
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, JSONObject

from orders.models import SetAside, StockHold, StockItem, StockMovement
from orders.states import HoldStatus


@dataclass(frozen=True, slots=True)
class StockBooks:
    """Units. ``received = sold + on_hand - corrected + written_off`` when the books are right.

    ``sold`` are those with shoppers: deducted and not returned. ``corrected`` may be negative.
    ``kept`` is the sum of the open holds and of what is left of open set-asides, which ``held``
    must equal.
    """

    on_hand: int
    held: int
    received: int
    sold: int
    corrected: int
    written_off: int
    kept: int

    @property
    def expected_on_hand(self) -> int:
        return self.received - self.sold + self.corrected - self.written_off

    @property
    def is_right(self) -> bool:
        return self.on_hand == self.expected_on_hand and self.held == self.kept


def with_books(items: "QuerySet[StockItem]") -> "QuerySet[Any]":
    """The same rows, each with what ``books_of`` reads."""
    kinds = StockMovement.Kind
    sums = {kind.value: Sum("quantity", filter=Q(kind=kind), default=0) for kind in kinds}
    movements = StockMovement.objects.filter(sku=OuterRef("sku")).order_by().values("sku")
    holds = StockHold.objects.filter(sku=OuterRef("sku"), status=HoldStatus.HELD)
    aside = SetAside.objects.filter(sku=OuterRef("sku"), closed_at=None)
    return items.annotate(
        ledger_sums=Subquery(movements.annotate(sums=JSONObject(**sums)).values("sums")),
        kept_sum=Coalesce(
            Subquery(holds.order_by().values("sku").annotate(sum=Sum("quantity")).values("sum")), 0
        )
        + Coalesce(
            Subquery(
                aside.order_by()
                .values("sku")
                .annotate(sum=Sum(F("quantity") - F("taken")))
                .values("sum")
            ),
            0,
        ),
    )


def books_of(item: Any) -> StockBooks:
    """From a row of ``with_books``."""
    sums: dict[str, int] = item.ledger_sums or {}
    kinds = StockMovement.Kind
    return StockBooks(
        on_hand=item.on_hand,
        held=item.held,
        received=sums.get(kinds.RECEIVED, 0),
        sold=-sums.get(kinds.DEDUCTED, 0) - sums.get(kinds.RETURNED, 0),
        corrected=sums.get(kinds.CORRECTED, 0),
        written_off=-sums.get(kinds.DAMAGED, 0),
        kept=item.kept_sum or 0,
    )
