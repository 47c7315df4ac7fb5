"""Who may write to an order: the fence, and the only place where rows are claimed.

Order of claims inside one transaction, everywhere: the order, then its payment, then stock rows by
SKU. A lease's token is compared by the database, so a worker that was paused beyond its lease
cannot write over a newer one (lock-and-fence: M. Kleppmann, 'How to do distributed locking', 2016).
"""

from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from orders.models import Order, StockItem
from orders.states import OrderStatus, may_become
from tasks import fencing

# Any number that nobody else locks in this database: "invoices" in ASCII.
_INVOICE_NUMBERS = int.from_bytes(b"invoices", "big")


def claim_order(order_id: int, token: int) -> None:
    """First statement of guarded work: from here on, smaller tokens may not write.

    Claiming again with the same token is allowed, so that one lease can do several steps. Raises
    LeaseLost when a newer lease has claimed the order, Order.DoesNotExist for an unknown one.
    """
    fencing.claim(Order, order_id, token)


def fenced_update(order_id: int, token: int, *, where: dict[str, Any], **changes: Any) -> bool:
    """Change the order if it is still as in ``where`` and still ours; True if it was.

    The updated row stays locked until the transaction ends, so what follows in it sees no rival.
    Raises LeaseLost when a newer lease has claimed the order, ValueError for a transition that
    ``orders.states`` does not allow.
    """
    _refuse_illegal(where.get("status"), changes.get("status"))
    return fencing.fenced_update(Order, order_id, token, where=where, changed_at=Now(), **changes)


def move_order(
    order_id: int,
    source: OrderStatus,
    target: OrderStatus,
    *,
    where: dict[str, Any],
) -> bool:
    """A transition outside a lease (page, sweeper): conditional, so one of two rivals wins."""
    _refuse_illegal(source, target)
    rows = Order.objects.filter(pk=order_id, status=source, **where)
    return rows.update(status=target, changed_at=Now()) == 1


def lock_order(order_id: int) -> Order:
    """The order, and everything about it kept still until the transaction ends.

    For what happens to an order outside a lease: whoever changes its payments, refunds, parcels or
    returns holds this row. Rows that only point at it may still be written. Raises
    Order.DoesNotExist, and OperationalError when the row cannot be had within ``lock_timeout``.
    """
    return Order.objects.select_for_update(no_key=True).get(pk=order_id)


def lock_order_fenced(order_id: int, token: int) -> Order:
    """As ``lock_order``, for work under a lease. Raises LeaseLost when a newer one has it."""
    fencing.ensure_fence(Order, order_id, token)
    return Order.objects.get(pk=order_id)


def lock_invoice_numbers() -> None:
    """Nobody else draws an invoice's number until the transaction ends: a number that is rolled
    back is free again, so that there are no gaps. Taken after the order's row. Raises
    OperationalError when it cannot be had within ``lock_timeout``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_INVOICE_NUMBERS])


def lock_stock(sku: str) -> StockItem:
    """The SKU's row, kept still until the transaction ends; with it, its holds: whoever changes one
    changes this row too. Raises StockItem.DoesNotExist, OperationalError after ``lock_timeout``."""
    return StockItem.objects.select_for_update(no_key=True).get(sku=sku)


def lock_shelves(skus: Iterable[str]) -> None:
    """Keep these SKUs still until the transaction ends, in the order in which all take them.

    For a change of many SKUs whose own order is another one. Those that are not in stock yet are
    passed over.
    """
    rows = StockItem.objects.filter(sku__in=set(skus)).order_by("sku")
    list(rows.select_for_update(no_key=True).values_list("pk", flat=True))


def _refuse_illegal(source: OrderStatus | None, target: OrderStatus | None) -> None:
    if target is not None and (source is None or not may_become(source, target)):
        raise ValueError(f"{source} → {target} is not a transition of orders.states.")
