"""The page of a sale: the same for everybody, so any cache may keep it. And the server's clock."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from shop.flash_sales.models import SaleItem
from shop.flash_sales.shown import ShownSale
from shop.flash_sales.states import Phase, SaleStatus, phase_at
from shop.flash_sales.views.drawing import draw, find_sale, json_answer, personal
from shop.flash_sales.words import duration

CACHED_SECONDS = 2
# How often a page without JavaScript looks again before the start.
_LOOK_AGAIN_SECONDS = 20


@require_safe
def show(request: HttpRequest, slug: str) -> HttpResponse:
    shown = find_sale(slug)
    response = HttpResponse(shown.drawn("sale", lambda: draw_sale(shown)))
    response["Cache-Control"] = f"public, max-age={CACHED_SECONDS}"
    return response


@require_safe
def clock(request: HttpRequest, slug: str) -> HttpResponse:
    shown = find_sale(slug)
    times = {"starts_ms": shown.starts_ms, "ends_ms": shown.ends_ms}
    return personal(json_answer({"status": shown.sale.status, **times}))


def draw_sale(shown: ShownSale, *, door_urls: Mapping[int, str] | None = None, **more: Any) -> str:
    """``door_urls``, by the number of the item, and ``more``: what only a preview has."""
    doors = door_urls or {
        item_id: reverse("flash_sales:door", args=[shown.sale.slug, item_id])
        for item_id in shown.items
    }
    starts_in_seconds = max(0, -int(shown.read_at - shown.starts_ms / 1_000))
    return draw(
        "sale.html",
        shown,
        offers=[(item, _picture(shown, item), doors[item.pk]) for item in shown.items.values()],
        phase=phase_of(shown),
        starts_in=duration(starts_in_seconds),
        look_again_seconds=min(_LOOK_AGAIN_SECONDS, starts_in_seconds + 1),
        **more,
    )


def phase_of(shown: ShownSale) -> str:
    """'before', 'open' or 'over'."""
    sale = shown.sale
    if sale.status == SaleStatus.ENDED:
        return Phase.OVER.value
    now = datetime.fromtimestamp(time.time(), UTC)
    return phase_at(now, sale.starts_at, sale.ends_at).value


def _picture(shown: ShownSale, item: SaleItem) -> str:
    offer = shown.offers.get(item.sku)
    return offer.picture if offer else ""
