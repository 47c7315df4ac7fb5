"""What people do to the shelf: receive, correct, write off. Each is a row of the ledger."""

from django.db import IntegrityError, transaction
from django.db.models import F

from orders.errors import NotCorrectable
from orders.locked import honest_about_locks
from orders.models import StockItem, StockMovement


def receive_stock(
    sku: str, quantity: int, reason: str, *, actor: str = "", cause: str = ""
) -> None:
    """Put ``quantity`` units (1 or more) on the shelf and say why. A new SKU is created.

    The same ``cause`` twice is one delivery. Raises ValueError, Busy.
    """
    if quantity < 1:
        raise ValueError(f"{sku}: {quantity} units cannot be received. Give 1 or more.")
    _move(sku, StockMovement.Kind.RECEIVED, quantity, reason, actor, cause)


def correct_stock(sku: str, quantity: int, reason: str, *, actor: str, cause: str = "") -> None:
    """Add ``quantity`` units that were counted too few (negative: too many), and say why.

    The same ``cause`` twice is one correction. Raises NotCorrectable when no reason is given, when
    the SKU is unknown, or when orders hold more units than would be left; Busy.
    """
    if quantity == 0:
        raise NotCorrectable(f"{sku}: a correction by 0 units changes nothing.")
    _refuse_unreasoned(sku, reason)
    _move(sku, StockMovement.Kind.CORRECTED, quantity, reason, actor, cause)


def write_off(sku: str, quantity: int, reason: str, *, actor: str, cause: str = "") -> None:
    """Take ``quantity`` units (1 or more) off the shelf because they cannot be sold. As above."""
    if quantity < 1:
        raise NotCorrectable(f"{sku}: {quantity} units cannot be written off. Give 1 or more.")
    _refuse_unreasoned(sku, reason)
    _move(sku, StockMovement.Kind.DAMAGED, -quantity, reason, actor, cause)


def _refuse_unreasoned(sku: str, reason: str) -> None:
    if not reason.strip():
        raise NotCorrectable(f"{sku}: say why the stock changes. The ledger keeps it.")
    if not StockItem.objects.filter(sku=sku).exists():
        raise NotCorrectable(f"{sku} has never been in stock here. Receive it first.")


def _move(sku: str, kind: str, quantity: int, reason: str, actor: str, cause: str) -> None:
    try:
        with honest_about_locks(), transaction.atomic():
            _write(sku, kind, quantity, reason, actor, cause)
    except IntegrityError:
        # The same form, sent twice: the unique cause made the second wait for the first.
        if not (cause and StockMovement.objects.filter(cause=cause, sku=sku, kind=kind).exists()):
            raise


def _write(sku: str, kind: str, quantity: int, reason: str, actor: str, cause: str) -> None:
    StockItem.objects.get_or_create(sku=sku)
    StockMovement.objects.create(
        sku=sku, kind=kind, quantity=quantity, reason=reason[:200], actor=actor, cause=cause
    )
    # Check and write are one statement: an order may take a unit at the same moment.
    moved = StockItem.objects.filter(sku=sku, on_hand__gte=F("held") - quantity).update(
        on_hand=F("on_hand") + quantity
    )
    if not moved:
        free = StockItem.objects.get(sku=sku).available
        raise NotCorrectable(
            f"{sku}: {-quantity} units cannot go, only {free} are not kept for an order. "
            "Cancel orders first, or take fewer."
        )
