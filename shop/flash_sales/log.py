"""Writing a sale's timeline: in the transaction of what it tells."""

from shop.flash_sales.models import SaleEvent

KEEPER = "keeper"


def record(sale_id: int, kind: str, text: str, *, actor: str) -> None:
    SaleEvent.objects.create(sale_id=sale_id, kind=kind, text=text[:300], actor=actor[:150])
