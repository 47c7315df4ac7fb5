"""The console of a sale: how it stands, drawn by the server, anew every two seconds."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from shop.flash_sales.admin.deeds import CHANGE, DEEDS
from shop.flash_sales.admin.rehearse_page import rehearse_url
from shop.flash_sales.console import look_at
from shop.flash_sales.models import FlashSale

VIEW = "flash_sales.view_flashsale"
# htmx stops asking when it reads this.
_STOP_ASKING = 286


class ConsolePages:
    """Mix into the ModelAdmin of sales."""

    admin_site: admin.AdminSite

    def console_urls(self) -> list[URLPattern]:
        return [
            path(
                f"<int:object_id>/{name}/",
                self.admin_site.admin_view(never_cache(require_safe(view))),
                name=f"flash_sales_flashsale_{name}",
            )
            for name, view in (("console", self.console_page), ("live", self.live))
        ]

    def console_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        context = self._context(request, object_id)
        site = self.admin_site.each_context(request)
        page = {**site, **context, "title": f"Console: {context['sale']}"}
        return TemplateResponse(request, "flash_sales/desk/console.html", page)

    def live(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The part of the page that changes."""
        context = self._context(request, object_id)
        status = _STOP_ASKING if context["look"].is_over else 200
        return TemplateResponse(request, "flash_sales/desk/live.html", context, status=status)

    def _context(self, request: HttpRequest, object_id: int) -> dict[str, Any]:
        if not request.user.has_perm(VIEW):
            raise PermissionDenied
        sale = get_object_or_404(FlashSale, pk=object_id)
        offered = [deed for deed in DEEDS if sale.status in deed.offered_in]
        may_change = request.user.has_perm(CHANGE)
        return {
            "sale": sale,
            "look": look_at(sale),
            "rehearse_url": rehearse_url(sale, request),
            "deeds": [
                (deed, reverse(f"admin:{deed.url_name}", args=[sale.pk]))
                for deed in (offered if may_change else ())
            ],
        }
