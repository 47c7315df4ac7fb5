"""Drawing pages without a request: nothing of a session or an account can get into them."""

import json
import time
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

from shop.flash_sales.models import SaleItem
from shop.flash_sales.shown import ShownSale, shown_sale


def find_sale(slug: str) -> ShownSale:
    shown = shown_sale(slug)
    if shown is None:
        raise Http404("There is no such sale.")
    return shown


def find_item(slug: str, item_id: int) -> tuple[ShownSale, SaleItem]:
    shown = find_sale(slug)
    item = shown.items.get(item_id)
    if item is None:
        raise Http404("There is no such item in this sale.")
    return shown, item


def draw(template: str, shown: ShownSale, **facts: Any) -> str:
    context = {
        "shop_name": settings.SHOP_NAME,
        "sale": shown.sale,
        "starts_ms": shown.starts_ms,
        "ends_ms": shown.ends_ms,
        "sale_url": reverse("flash_sales:sale", args=[shown.sale.slug]),
        "clock_url": reverse("flash_sales:clock", args=[shown.sale.slug]),
        **facts,
    }
    return render_to_string(f"flash_sales/{template}", context)


def personal(response: HttpResponse) -> HttpResponse:
    """Nobody else may get it from a cache, and no search engine may keep it."""
    response["Cache-Control"] = "private, no-store, max-age=0"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def wants_json(request: HttpRequest) -> bool:
    # Not request.headers: that reads all of them for one.
    return str(request.META.get("HTTP_ACCEPT", "")).startswith("application/json")


def json_answer(facts: dict[str, Any], status: int = 200) -> HttpResponse:
    """``now_ms``: the server's clock, so that a page need not believe its own."""
    # Not JsonResponse: its encoder for dates and decimals costs more than the rest of this answer.
    text = json.dumps({**facts, "now_ms": time.time_ns() // 1_000_000})
    return HttpResponse(text, content_type="application/json", status=status)
