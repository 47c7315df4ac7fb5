"""Fencing at the resource: the row itself refuses who may no longer write.

A lease can end while its holder is paused, so a lock alone cannot keep a late write away. The row
keeps the token of the newest lease that claimed it (M. Kleppmann, 'How to do distributed locking',
2016):

1. ``claim`` first, before anything is read: smaller tokens are refused from here on.
2. ``fenced_update`` for every later write, or ``ensure_fence`` as the first statement of a
   transaction that writes to other tables.
"""

from typing import Any, TypeVar

from django.db import models, transaction
from django.utils.text import capfirst

from tasks.errors import LeaseLost


class NotClaimed(RuntimeError):
    """Guarded work wrote before it claimed the row: a defect, which no retry mends."""


class FencedModel(models.Model):
    """A row that remembers the newest lease which claimed it. The functions below write it."""

    fence = models.BigIntegerField(
        default=0,
        editable=False,
        help_text="Token of the newest lease that claimed this row; older ones may not write.",
    )

    class Meta:
        abstract = True


Fenced = TypeVar("Fenced", bound=models.Model)
Rows = type[Fenced] | models.QuerySet[Fenced]
"""A model, or some of its rows; the model has an integer field ``fence``."""


def claim(rows: Rows[Fenced], pk: Any, token: int) -> None:
    """Take the row for ``token``; the first statement of guarded work.

    Claiming again with the same token is allowed, so that one lease can do several steps. Raises
    LeaseLost when a newer lease has claimed it, DoesNotExist when there is no such row.
    """
    found = _queryset(rows).filter(pk=pk)
    if found.filter(fence__lte=token).update(fence=token) == 0:
        raise _refusal(rows, pk, token)


def fenced_update(
    rows: Rows[Fenced], pk: Any, token: int, *, where: dict[str, Any] | None = None, **changes: Any
) -> bool:
    """Change the row if it is still ours and as in ``where``; True if it was.

    The changed row stays locked until the transaction ends, so what follows in it sees no rival.
    Raises LeaseLost when it is not ours any more, NotClaimed when it never was, DoesNotExist when
    there is no such row.
    """
    ours = _queryset(rows).filter(pk=pk, fence=token)
    # An update without changes still has to lock the row and to look at the fence.
    if ours.filter(**(where or {})).update(**(changes or {"fence": token})):
        return True
    if not ours.exists():
        raise _refusal(rows, pk, token)
    return False


def ensure_fence(rows: Rows[Fenced], pk: Any, token: int) -> None:
    """Lock the row until the transaction ends, if it is still ours; raises LeaseLost otherwise.

    For writes to other tables that belong to the same guarded work. Raises
    TransactionManagementError outside a transaction, where the lock would be gone at once.
    """
    connection = transaction.get_connection(_queryset(rows).db)
    connection.validate_no_broken_transaction()
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            "ensure_fence outside a transaction protects nothing: wrap it and the writes that it "
            "is to protect in transaction.atomic()."
        )
    fenced_update(rows, pk, token)


def _queryset(rows: Rows[Fenced]) -> models.QuerySet[Fenced]:
    return rows if isinstance(rows, models.QuerySet) else rows._default_manager.all()


def _refusal(rows: Rows[Fenced], pk: Any, token: int) -> Exception:
    queryset = _queryset(rows)
    model: Any = queryset.model
    name = str(model._meta.verbose_name)
    fence = queryset.filter(pk=pk).values_list("fence", flat=True).first()
    if fence is None:
        missing: Exception = model.DoesNotExist(f"There is no {name} {pk}.")
        return missing
    if fence < token:
        return NotClaimed(
            f"{capfirst(name)} {pk} was never claimed by {token}. Claim it, then write."
        )
    return LeaseLost(f"{capfirst(name)} {pk} was claimed by a newer lease ({fence}) than {token}.")
