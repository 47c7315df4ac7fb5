"""Keeping units for a purpose, and letting go of them: stock that only chosen orders may take.

Claims inside one transaction, everywhere: the order, then what is set aside, then the SKU's row.
"""

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from orders.errors import NotCorrectable, OutOfStock, Shortage
from orders.locked import honest_about_locks
from orders.locks import lock_set_aside
from orders.models import OrderLine, SetAside, StockHold, StockItem


def set_aside(sku: str, quantity: int, *, purpose: str, actor: str) -> SetAside:
    """Keep ``quantity`` units (1 or more) that nobody holds. The same ``purpose`` twice is once.

    Raises NotCorrectable when fewer are free, Busy.
    """
    with honest_about_locks(), transaction.atomic():
        kept, is_new = SetAside.objects.get_or_create(
            purpose=purpose, defaults={"sku": sku, "quantity": 0, "actor": actor}
        )
        if is_new:
            _keep_more(kept, quantity)
    return SetAside.objects.get(pk=kept.pk)


def add_units(set_aside_id: int, quantity: int) -> None:
    """Keep ``quantity`` more. Raises NotCorrectable when fewer are free or it is closed, Busy."""
    with honest_about_locks(), transaction.atomic():
        _keep_more(lock_set_aside(set_aside_id), quantity)


def keep_less(set_aside_id: int, quantity: int) -> None:
    """Give ``quantity`` of the units that no order has taken back to everybody.

    Raises NotCorrectable when fewer are left or it is closed, Busy.
    """
    with honest_about_locks(), transaction.atomic():
        kept = lock_set_aside(set_aside_id)
        if quantity < 0 or quantity > kept.left:
            raise NotCorrectable(
                f"{kept.purpose}: {quantity} units were to go back, and {kept.left} are left."
            )
        SetAside.objects.filter(pk=kept.pk).update(quantity=F("quantity") - quantity)
        StockItem.objects.filter(sku=kept.sku).update(held=F("held") - quantity)


def close(set_aside_id: int) -> int:
    """Give what no order has taken back to everybody; how many units. A second time gives 0.

    Units of orders that are not paid yet stay theirs, and go to everybody when those end.
    """
    with honest_about_locks(), transaction.atomic():
        kept = lock_set_aside(set_aside_id)
        left = kept.left
        if kept.closed_at is None:
            SetAside.objects.filter(pk=kept.pk).update(quantity=F("taken"), closed_at=Now())
            StockItem.objects.filter(sku=kept.sku).update(held=F("held") - left)
    return left


def take(line: OrderLine, set_aside_id: int) -> None:
    """Let an order's line have its units from what was set aside, in the placing transaction.

    Raises OutOfStock; the caller's transaction must then roll back.
    """
    # Check and write are one statement: two buyers of the last unit cannot both pass. The units
    # are held already, so the SKU's own row is not touched.
    taken = SetAside.objects.filter(
        pk=set_aside_id,
        sku=line.sku,
        closed_at=None,
        quantity__gte=F("taken") + line.quantity,
    ).update(taken=F("taken") + line.quantity)
    if not taken:
        kept = SetAside.objects.filter(pk=set_aside_id, sku=line.sku).first()
        left = kept.left if kept else 0
        raise OutOfStock((Shortage(line.sku, line.title, line.quantity, left),))


def give_back(hold: StockHold) -> bool:
    """The units of a hold that ends go back to what they were set aside in; False when that is
    closed, and they are everybody's."""
    # A close at this moment waits for this row, or we wait for it and then find it closed.
    if hold.set_aside_id is None:
        return False
    still_open = SetAside.objects.filter(pk=hold.set_aside_id, closed_at=None)
    return still_open.update(taken=F("taken") - hold.quantity) == 1


def _keep_more(kept: SetAside, quantity: int) -> None:
    if quantity < 1:
        raise NotCorrectable(f"{kept.sku}: {quantity} units cannot be set aside. Give 1 or more.")
    if kept.closed_at is not None:
        raise NotCorrectable(f"{kept.purpose} is closed. Nothing can be set aside for it any more.")
    SetAside.objects.filter(pk=kept.pk).update(quantity=F("quantity") + quantity)
    free = StockItem.objects.filter(sku=kept.sku, on_hand__gte=F("held") + quantity)
    if not free.update(held=F("held") + quantity):
        item = StockItem.objects.filter(sku=kept.sku).first()
        raise NotCorrectable(
            f"{kept.sku}: {quantity} units were to be set aside, but only "
            f"{item.available if item else 0} are free. Receive some first, or choose fewer."
        )
