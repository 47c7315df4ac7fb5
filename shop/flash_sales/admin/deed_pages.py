"""The pages on which staff do something with a sale: ask, then do it once, then tell."""

from functools import partial
from http import HTTPStatus
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from orders.errors import Busy
from orders.services.timeline import staff_actor
from shop.flash_sales.admin.deed_forms import DeedForm
from shop.flash_sales.admin.deeds import CHANGE, DEEDS, Deed
from shop.flash_sales.errors import SaleError
from shop.flash_sales.models import FlashSale
from shop.http import SeeOther


class DeedPages:
    """Mix into the ModelAdmin of sales: one address for each deed."""

    admin_site: admin.AdminSite

    def deed_urls(self) -> list[URLPattern]:
        return [self._deed_url(deed) for deed in DEEDS]

    def _deed_url(self, deed: Deed) -> URLPattern:
        page = never_cache(require_http_methods(["GET", "HEAD", "POST"])(partial(self._page, deed)))
        return path(
            f"<int:object_id>/{deed.verb}/", self.admin_site.admin_view(page), name=deed.url_name
        )

    def _page(self, deed: Deed, request: HttpRequest, object_id: int) -> HttpResponse:
        if not request.user.has_perm(CHANGE):
            raise PermissionDenied
        sale = get_object_or_404(FlashSale, pk=object_id)
        if request.method == "POST":
            return self._do(request, deed, sale, deed.form(sale, request.POST))
        if sale.status not in deed.offered_in:
            messages.warning(request, f"The sale is {sale.get_status_display()}: not possible now.")
            return SeeOther(console_url(sale))
        return self._ask(request, deed, sale, deed.form(sale))

    def _do(
        self, request: HttpRequest, deed: Deed, sale: FlashSale, form: DeedForm
    ) -> HttpResponse:
        if not form.is_valid():
            return self._ask(request, deed, sale, form, HTTPStatus.UNPROCESSABLE_ENTITY)
        actor = staff_actor(request.user)  # type: ignore[arg-type]  # behind admin_view
        try:
            told = deed.act(sale, form.cleaned_data, actor)
        except Busy:
            form.add_error(None, "Somebody is at work on this sale. Nothing was done: try again.")
            return self._ask(request, deed, sale, form, HTTPStatus.SERVICE_UNAVAILABLE)
        except SaleError as fact:
            form.add_error(None, str(fact))
            return self._ask(request, deed, sale, form, HTTPStatus.CONFLICT)
        messages.success(request, told)
        return SeeOther(console_url(sale))

    def _ask(
        self,
        request: HttpRequest,
        deed: Deed,
        sale: FlashSale,
        form: DeedForm,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> HttpResponse:
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": f"{deed.title}: {sale.title}",
            "deed": deed,
            "form": form,
            "console_url": console_url(sale),
        }
        return TemplateResponse(request, "flash_sales/desk/deed.html", context, status=status)


def console_url(sale: FlashSale) -> str:
    return reverse("admin:flash_sales_flashsale_console", args=[sale.pk])
