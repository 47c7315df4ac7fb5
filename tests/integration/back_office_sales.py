"""Flash sales for tests of the back office: drafted, with units set aside, on sale."""

from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from orders.services.shelf import receive_stock
from shop.flash_sales import selling
from shop.flash_sales.models import FlashSale, SaleItem


def draft_sale(units: int = 5, *, slug: str = "autumn", sku: str = "SALE-MUG") -> SaleItem:
    """The item of a draft that is open by the clock; one unit per person, € 10 each."""
    receive_stock(sku, units + 5, "test")
    now = timezone.now()
    sale = selling.create_sale(
        selling.NewSale(
            slug=slug,
            title="Autumn sale",
            starts_at=now - timedelta(minutes=10),
            ends_at=now + timedelta(hours=1),
        ),
        actor="test",
    )
    return selling.add_item(
        sale.pk, selling.NewItem(sku, "Mug of autumn", 1_000, units), actor="test"
    )


def open_sale(units: int = 5, *, sku: str = "SALE-MUG") -> SaleItem:
    # The gate's Redis outlives a test's database: no other test may have this sale's number.
    item = draft_sale(units, slug=f"autumn-{uuid4().hex[:8]}", sku=sku)
    selling.announce(item.sale_id, actor="test")
    return SaleItem.objects.select_related("sale").get(pk=item.pk)


def reread(sale: FlashSale) -> FlashSale:
    return FlashSale.objects.get(pk=sale.pk)
