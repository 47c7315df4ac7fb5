"""Gates of sales that nobody asks about any more are forgotten."""

from shop.flash_sales import log
from shop.flash_sales.models import FlashSale, SaleItem
from shop.flash_sales.rebuilding import gate_of, gated_items
from shop.flash_sales.states import SaleStatus

_DROPPED = "gate_dropped"


def drop_old_gates(*, actor: str) -> int:
    """Delete the keys of sales that ended more than a day ago and hold nothing for anybody; of how
    many sales. Each once. Raises GateAway; what is left is for the next time."""
    built = FlashSale.objects.filter(status=SaleStatus.ENDED, generation__gt=0)
    needed = gated_items().order_by().values("sale_id")
    old = built.exclude(timeline__kind=_DROPPED).exclude(pk__in=needed)
    for sale in old:
        for item in SaleItem.objects.filter(sale=sale):
            gate_of(item).drop()
        text = "The gate's keys were dropped, a day after the end."
        log.record(sale.pk, _DROPPED, text, actor=actor)
    return len(old)
