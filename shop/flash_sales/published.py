"""What the pages of a sale show, put beside the gate by the keeper, so that a crowd costs no SQL.

It ends by itself when nobody puts it there anew; pages then read the database.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta

from django.conf import settings
from django.core import serializers
from django.db.models import Q
from django.utils import timezone

from shop import selectors
from shop.cart import Offer
from shop.flash_sales import wire
from shop.flash_sales.models import FlashSale, SaleItem
from shop.flash_sales.states import SaleStatus

LIFE_SECONDS = 5
# Before that nobody comes by the thousand.
_CROWD_COMES = timedelta(minutes=10)
# Until whatever was published of it while it ran is gone.
_AFTER_END = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Facts:
    """A sale, its items by their number, each with this very sale, and SKU → what the catalogue has
    of it; a SKU that is sold only here is missing."""

    sale: FlashSale
    items: Mapping[int, SaleItem]
    offers: Mapping[str, Offer]


def read_facts(slug: str) -> Facts | None:
    """From the database; None when there is no such sale, or it is still a draft."""
    sale = FlashSale.objects.filter(slug=slug).exclude(status=SaleStatus.DRAFT).first()
    return facts_of(sale) if sale else None


def facts_of(sale: FlashSale) -> Facts:
    """From the database, of a draft too."""
    return _facts(sale, list(SaleItem.objects.filter(sale=sale).order_by("pk")))


def publish_all() -> None:
    """Publish every sale that a crowd may come to now. Raises redis.RedisError."""
    now = timezone.now()
    soon = Q(starts_at__lte=now + _CROWD_COMES) & ~Q(status=SaleStatus.ENDED)
    shown = FlashSale.objects.exclude(status=SaleStatus.DRAFT)
    for sale in shown.filter(soon | Q(ended_at__gt=now - _AFTER_END)).prefetch_related("items"):
        publish(_facts(sale, list(sale.items.all())))


def publish(facts: Facts, life_seconds: int = LIFE_SECONDS) -> None:
    """Raises redis.RedisError."""
    text = json.dumps(
        {
            "models": serializers.serialize("json", [facts.sale, *facts.items.values()]),
            "offers": [asdict(offer) for offer in facts.offers.values()],
        }
    )
    wire.client().set(_key(facts.sale.slug), text, ex=life_seconds)


def published_facts(slug: str) -> Facts | None:
    """None when nobody has published it. Raises redis.RedisError."""
    text = wire.client().get(_key(slug))
    if text is None:
        return None
    stored = json.loads(text)
    # While a new version is rolled out, the old one must read what the new one wrote.
    models = serializers.deserialize("json", stored["models"], ignorenonexistent=True)
    found = [model.object for model in models]
    (sale,) = (one for one in found if isinstance(one, FlashSale))
    items = {one.pk: one for one in found if isinstance(one, SaleItem)}
    for item in items.values():
        item.sale = sale
    offers = [Offer(**offer) for offer in stored["offers"]]
    return Facts(sale, items, {offer.sku: offer for offer in offers})


def _facts(sale: FlashSale, items: list[SaleItem]) -> Facts:
    for item in items:
        item.sale = sale
    offers = selectors.offers(item.sku for item in items)
    return Facts(sale, {item.pk: item for item in items}, offers)


def _key(slug: str) -> str:
    return f"{settings.GATE_KEY_PREFIX}:shown:{slug}"
