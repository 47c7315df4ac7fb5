"""The equation of each SKU, counted by the database: five statements for any number of SKUs."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet, Sum

from orders.models import OrderLine, SetAside, StockHold, StockItem, StockMovement
from orders.services.audit_scope import Scope
from orders.states import HoldStatus, OrderStatus


@dataclass(frozen=True, slots=True)
class ShelfCount:
    """Units of one SKU. ``ledger`` is the sum of all its movements; ``supplied`` of those that are
    no sale (received, corrected, damaged); ``sold`` what paid orders have and do not give back."""

    sku: str
    on_hand: int
    held: int
    ledger: int
    supplied: int
    open_holds: int
    sold: int


def count_shelf(scope: Scope) -> list[ShelfCount]:
    """The counts of every SKU that the scope's orders have. A SKU has no period: it is counted as
    it stands, whenever its orders were placed."""
    items = StockItem.objects.all()
    of_scope = Q()
    if not scope.is_everything:
        skus = set(
            OrderLine.objects.filter(order__in=scope.orders().order_by())
            .order_by()
            .values_list("sku", flat=True)
        )
        items = items.filter(sku__in=skus)
        of_scope = Q(sku__in=skus)
    movements = StockMovement.objects.filter(of_scope)
    sale = (StockMovement.Kind.DEDUCTED, StockMovement.Kind.RETURNED)
    ledger = _sums(movements, "quantity")
    supplied = _sums(movements.exclude(kind__in=sale), "quantity")
    holds = _sums(StockHold.objects.filter(of_scope, status=HoldStatus.HELD), "quantity")
    # What is left of a set-aside is held as well, for orders that are still to come.
    holds += _sums(SetAside.objects.filter(of_scope, closed_at=None), F("quantity") - F("taken"))
    sold = _sums(
        OrderLine.objects.filter(of_scope, order__status=OrderStatus.PAID),
        F("quantity") - F("withdrawn") - F("returned"),
    )
    shelf = {item.sku: (item.on_hand, item.held) for item in items}
    return [
        ShelfCount(
            sku,
            *shelf.get(sku, (0, 0)),
            ledger=ledger[sku],
            supplied=supplied[sku],
            open_holds=holds[sku],
            sold=sold[sku],
        )
        for sku in sorted({*shelf, *ledger, *holds, *sold})
    ]


def _sums(rows: QuerySet[Any], units: Any) -> Counter[str]:
    found: Iterable[Mapping[str, Any]] = rows.order_by().values("sku").annotate(units=Sum(units))
    return Counter({row["sku"]: row["units"] or 0 for row in found})
