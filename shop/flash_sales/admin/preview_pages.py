"""A draft as shoppers will see it, for staff only: no token is made, and no gate is asked."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from shop.flash_sales.admin.console_pages import VIEW
from shop.flash_sales.challenge import challenge_of
from shop.flash_sales.models import FlashSale
from shop.flash_sales.shown import ShownSale, read_shown
from shop.flash_sales.states import SaleStatus
from shop.flash_sales.views.drawing import json_answer, personal, wants_json
from shop.flash_sales.views.entry import draw_door
from shop.flash_sales.views.page import draw_sale
from shop.http import SeeOther

# No token of any person: what solves this task opens no door.
_NOBODY = "preview"


class PreviewPages:
    """Mix into the ModelAdmin of sales: a draft's page and the doors of its items."""

    admin_site: admin.AdminSite

    def preview_urls(self) -> list[URLPattern]:
        return [
            path(
                f"<int:object_id>/{below}",
                self.admin_site.admin_view(never_cache(require_safe(view))),
                name=f"flash_sales_flashsale_{name}",
            )
            for name, below, view in (
                ("preview", "preview/", self.preview_page),
                ("preview_door", "preview/<int:item_id>/", self.preview_door),
            )
        ]

    def preview_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        sale = _sale(request, object_id)
        if sale.status != SaleStatus.DRAFT:
            return SeeOther(reverse("flash_sales:sale", args=[sale.slug]))
        shown = read_shown(sale)
        if wants_json(request):  # the countdown asks for the server's clock
            return personal(json_answer({"starts_ms": shown.starts_ms, "ends_ms": shown.ends_ms}))
        doors = {item_id: _door_url(sale, item_id) for item_id in shown.items}
        return personal(HttpResponse(draw_sale(shown, door_urls=doors, **_facts(shown))))

    def preview_door(self, request: HttpRequest, object_id: int, item_id: int) -> HttpResponse:
        sale = _sale(request, object_id)
        if sale.status != SaleStatus.DRAFT:
            return SeeOther(reverse("flash_sales:door", args=[sale.slug, item_id]))
        shown = read_shown(sale)
        if item_id not in shown.items:
            raise Http404("There is no such item in this draft.")
        work = sale.challenge_work
        page = draw_door(
            shown,
            shown.items[item_id],
            token="",
            task=challenge_of(_NOBODY, work) if work else None,
            enter_url=_door_url(sale, item_id),
            was_pressed="pressed" in request.GET,
            **_facts(shown),
        )
        return personal(HttpResponse(page))


def _sale(request: HttpRequest, sale_id: int) -> FlashSale:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    return get_object_or_404(FlashSale, pk=sale_id)


def _facts(shown: ShownSale) -> dict[str, Any]:
    url = preview_url(shown.sale)
    return {"is_preview": True, "sale_url": url, "clock_url": url}


def preview_url(sale: FlashSale) -> str:
    return reverse("admin:flash_sales_flashsale_preview", args=[sale.pk])


def _door_url(sale: FlashSale, item_id: int) -> str:
    return reverse("admin:flash_sales_flashsale_preview_door", args=[sale.pk, item_id])
