"""Changing a sale that nobody has seen yet."""

from django.db import IntegrityError, transaction

from orders.locked import honest_about_locks
from shop.flash_sales import log
from shop.flash_sales.errors import NotAllowed
from shop.flash_sales.models import FlashSale
from shop.flash_sales.selling import NewSale
from shop.flash_sales.states import SaleStatus


def change_draft(sale_id: int, new: NewSale, *, actor: str) -> None:
    """Put ``new`` in place of what the draft says; its items stay.

    Raises NotAllowed when it is no draft any more, its address is taken or it ends before it
    starts; Busy.
    """
    if new.ends_at <= new.starts_at:
        raise NotAllowed("The sale must end after it starts.")
    facts = {name: getattr(new, name) for name in NewSale.__dataclass_fields__}
    try:
        with honest_about_locks(), transaction.atomic():
            # Announced in another tab meanwhile: what people have seen is not changed any more.
            if not FlashSale.objects.filter(pk=sale_id, status=SaleStatus.DRAFT).update(**facts):
                raise NotAllowed("The sale was announced meanwhile. Nothing was changed.")
            log.record(sale_id, "changed", "Changed.", actor=actor)
    except IntegrityError as error:
        raise NotAllowed(f"There is a sale at '{new.slug}' already. Choose another.") from error
