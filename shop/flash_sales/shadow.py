"""The sale of a rehearsal: like the real one, of units that are nobody's."""

from datetime import timedelta
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from orders.services.shelf import receive_stock
from shop.flash_sales import selling
from shop.flash_sales.errors import NotAllowed
from shop.flash_sales.models import Rehearsal, SaleItem
from shop.flash_sales.selling import NewItem, NewSale
from shop.flash_sales.states import OnLostGate, RehearsalStatus

ACTOR = "rehearsal"
_USUAL_CENTS = 1_000


def make_shadow(rehearsal: Rehearsal, *, starts_in: timedelta, lasts: timedelta) -> SaleItem:
    """Announce a sale with the limit, the rate, the challenge and the price of the real one; its
    only item.

    Raises NotAllowed when the rehearsal does not run any more, or has a sale already; Busy.
    """
    real = rehearsal.like
    name = f"rehearsal-{rehearsal.pk}-{uuid4().hex[:8]}"
    starts_at = timezone.now() + starts_in
    new = NewSale(
        slug=name,
        title=f"Rehearsal: {real.title}"[:120],
        starts_at=starts_at,
        ends_at=starts_at + lasts,
        limit_per_person=real.limit_per_person,
        hold_seconds=rehearsal.hold_seconds,
        admission_per_second=real.admission_per_second,
        on_lost_gate=OnLostGate(real.on_lost_gate),
        challenge_work=real.challenge_work,
        is_rehearsal=True,
    )
    # With the link or not at all: a sale that no rehearsal names would be ended by nobody.
    with transaction.atomic():
        receive_stock(name.upper(), rehearsal.units, "rehearsal", actor=ACTOR)
        sale = selling.create_sale(new, actor=ACTOR)
        item = selling.add_item(sale.pk, _item(rehearsal, name.upper()), actor=ACTOR)
        running = Rehearsal.objects.filter(pk=rehearsal.pk, status=RehearsalStatus.RUNNING)
        if not running.filter(shadow=None).update(shadow=sale):
            raise NotAllowed("This rehearsal does not run any more, or has its sale already.")
    selling.announce(sale.pk, actor=ACTOR)
    return SaleItem.objects.select_related("sale").get(pk=item.pk)


def _item(rehearsal: Rehearsal, sku: str) -> NewItem:
    first = rehearsal.like.items.first()
    price_cents = first.price_cents if first else _USUAL_CENTS
    return NewItem(sku, "Shadow unit", price_cents, rehearsal.units)
