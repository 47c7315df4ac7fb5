"""Flash sales for tests: real stock set aside, real gates."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from orders.services.placement import PlaceOrder
from orders.services.shelf import receive_stock
from shop.flash_sales import selling
from shop.flash_sales.models import SaleItem, Ticket
from shop.flash_sales.selling import NewItem, NewSale
from shop.flash_sales.tickets import write_ticket
from tests.integration.shopping import command, line

HOUR = timedelta(hours=1)


def drafted(units: int = 3, *, stock: int = 10, sku: str = "VASE", **sale: object) -> SaleItem:
    """An item of a draft with ``units`` set aside, of a SKU that has just received ``stock``."""
    receive_stock(sku, stock, "test")
    now = timezone.now()
    new = NewSale(
        **{
            "slug": f"sale-{uuid4().hex[:12]}",
            "title": "Vases",
            "starts_at": now - HOUR,
            "ends_at": now + HOUR,
            **sale,
        }  # type: ignore[arg-type]  # mypy cannot see which value goes where
    )
    draft = selling.create_sale(new, actor="staff anna")
    return selling.add_item(draft.pk, NewItem(sku, "Vase", 900, units), actor="staff anna")


def announced(units: int = 3, **sale: object) -> SaleItem:
    item = drafted(units, **sale)  # type: ignore[arg-type]  # as above
    selling.announce(item.sale_id, actor="staff anna")
    return again(item)


def again(item: SaleItem) -> SaleItem:
    return SaleItem.objects.select_related("sale", "set_aside").get(pk=item.pk)


def ticket_for(item: SaleItem, person: str, *, place: int = 1) -> Ticket:
    return write_ticket(item, person=person, nonce=f"{uuid4().hex[:24]}-{place}", place=place)


def checkout(name: str = "alice", *, house: str = "1") -> PlaceOrder:
    """A checkout of a person with this address; its line is the ticket's to say."""
    ordinary = command(line("VASE"))
    address = replace(ordinary.address, line1=f"{house} Quay Street")
    return replace(ordinary, email=f"{name}@example.com", address=address)


def counts(item: SaleItem) -> tuple[int, int, int]:
    """(free, held, sold) by the database"""
    now = again(item)
    return now.free, now.held, now.sold
