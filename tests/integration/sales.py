"""Sales for tests: units set aside in PostgreSQL, and a gate in Redis that knows of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from orders.services.shelf import receive_stock
from shop.flash_sales import selling
from shop.flash_sales.gate import Gate
from shop.flash_sales.models import SaleItem
from shop.flash_sales.selling import NewItem, NewSale
from shop.flash_sales.states import OnLostGate
from tests.integration.gates import facts

HOUR = timedelta(hours=1)


def open_item(
    units: int = 3,
    *,
    limit: int = 1,
    on_lost_gate: OnLostGate = OnLostGate.PAUSE,
    challenge_work: int = 0,
) -> SaleItem:
    """The only item of an announced sale that has begun; without a gate yet."""
    sku, now = f"SALE-{uuid4().hex[:8].upper()}", timezone.now()
    receive_stock(sku, units + 20, "test")
    new = NewSale(
        sku.lower(),
        "Sale",
        now - HOUR,
        now + HOUR,
        limit_per_person=limit,
        on_lost_gate=on_lost_gate,
        challenge_work=challenge_work,
    )
    sale = selling.create_sale(new, actor="test")
    item = selling.add_item(sale.pk, NewItem(sku, "Thing", 1_000, units), actor="test")
    selling.announce(sale.pk, actor="test")
    return SaleItem.objects.select_related("sale").get(pk=item.pk)


@contextmanager
def gated(item: SaleItem, **changes: object) -> Iterator[Gate]:
    """The item's gate, dropped afterwards."""
    gate = Gate(item.sale_id, item.pk)
    gate.drop()
    gate.build(facts(free=item.free, limit=item.sale.limit_per_person) | changes, [], {})
    try:
        yield gate
    finally:
        gate.drop()
