"""Telling the staff that few units are left: one notice each time a SKU gets there."""

from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.urls import reverse

from orders.models import StaffMail, StockItem
from orders.services.staff_mail import owe_mail

_AT_ONCE = 100
_IS_LOW = Q(low_at__gt=0, on_hand__lte=F("low_at") + F("held"))


def set_low_mark(sku: str, low_at: int) -> None:
    """Tell when so many units can be sold, or fewer; 0: never. Asks for a new notice when low."""
    StockItem.objects.filter(sku=sku).exclude(low_at=low_at).update(low_at=low_at, low_told_at=None)


def tell_low_stock() -> int:
    """Owe ``STAFF_EMAILS`` one mail about the SKUs that have become low since; how many SKUs.

    A SKU is told of once, until there is more of it again. Without an address nothing is marked as
    told, so that the first address hears of all.
    """
    _forget_what_is_full_again()
    if not settings.STAFF_EMAILS:
        return 0
    untold = StockItem.objects.filter(_IS_LOW, low_told_at=None).order_by("sku")
    told = 0
    while skus := list(untold.values_list("sku", flat=True)[:_AT_ONCE]):
        told += _tell(skus)
    return told


def _forget_what_is_full_again() -> None:
    full = StockItem.objects.filter(low_told_at__isnull=False).exclude(_IS_LOW)
    # One by one: an UPDATE of several rows could meet an order that takes them in another order.
    for sku in full.values_list("sku", flat=True):
        StockItem.objects.filter(sku=sku).exclude(_IS_LOW).update(low_told_at=None)


def _tell(skus: list[str]) -> int:
    with transaction.atomic():
        # In one order, and only those that are still low: a sweep beside us, or a delivery that has
        # just arrived, takes a SKU away from this mail.
        claimed = [
            sku
            for sku in skus
            if StockItem.objects.filter(_IS_LOW, sku=sku, low_told_at=None).update(
                low_told_at=Now()
            )
        ]
        items = list(StockItem.objects.filter(sku__in=claimed).order_by("sku"))
        if items:
            names = ", ".join(item.sku for item in items[:3])
            more = f" and {len(items) - 3} more" if len(items) > 3 else ""
            owe_mail(
                sorted(set(settings.STAFF_EMAILS)),
                StaffMail.Kind.LOW_STOCK,
                cause=str(uuid4()),  # the claim above is what keeps it to one
                subject=f"Low stock: {names}{more}",
                text=_text(items),
            )
    return len(items)


def _text(items: list[StockItem]) -> str:
    lines = [
        f"{item.sku}: {item.available} can be sold ({item.on_hand} on the shelf, {item.held} held "
        f"for orders). Told from {item.low_at} on."
        for item in items
    ]
    address = settings.SITE_URL + reverse("admin:orders_stockitem_changelist")
    return "\n".join(["Few units are left:", "", *lines, "", f"The stock: {address}"])
