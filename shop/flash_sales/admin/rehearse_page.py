"""The button 'Rehearse' of a sale: ask with what crowd, then lead to the rehearsal's page."""

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

from orders.services.timeline import staff_actor
from shop.flash_sales import rehearsing
from shop.flash_sales.admin.deeds import CHANGE
from shop.flash_sales.admin.rehearse_form import RehearseForm
from shop.flash_sales.errors import RehearsalUnderWay, SaleError
from shop.flash_sales.models import FlashSale
from shop.flash_sales.states import SaleStatus
from shop.http import SeeOther

NEWEST = 10


class RehearsePage:
    """Mix into the ModelAdmin of sales."""

    admin_site: admin.AdminSite

    def rehearse_urls(self) -> list[URLPattern]:
        page = never_cache(require_http_methods(["GET", "HEAD", "POST"])(self.rehearse))
        return [
            path(
                "<int:object_id>/rehearse/",
                self.admin_site.admin_view(page),
                name="flash_sales_flashsale_rehearse",
            )
        ]

    def rehearse(self, request: HttpRequest, object_id: int) -> HttpResponse:
        if not request.user.has_perm(CHANGE):
            raise PermissionDenied
        sale = get_object_or_404(FlashSale, pk=object_id)
        if request.method == "POST":
            return self._begin(request, sale, RehearseForm(sale, request.POST))
        return self._form(request, sale, RehearseForm(sale))

    def _begin(self, request: HttpRequest, sale: FlashSale, form: RehearseForm) -> HttpResponse:
        if not form.is_valid():
            return self._form(request, sale, form, HTTPStatus.UNPROCESSABLE_ENTITY)
        actor = staff_actor(request.user)  # type: ignore[arg-type]  # behind admin_view
        try:
            asked = rehearsing.ask(sale.pk, form.wishes(), actor=actor)
        except RehearsalUnderWay as fact:
            messages.warning(request, str(fact))
            return SeeOther(rehearsal_url(fact.rehearsal_id))
        except SaleError as fact:
            form.add_error(None, str(fact))
            return self._form(request, sale, form, HTTPStatus.CONFLICT)
        return SeeOther(rehearsal_url(asked.pk))

    def _form(
        self,
        request: HttpRequest,
        sale: FlashSale,
        form: RehearseForm,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> HttpResponse:
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": f"Rehearse: {sale.title}",
            "sale": sale,
            "form": form,
            "refusal": rehearsing.refusal(),
            "earlier": sale.rehearsals.all()[:NEWEST],
        }
        return TemplateResponse(request, "flash_sales/desk/rehearse.html", context, status=status)


def rehearse_url(sale: FlashSale, request: HttpRequest) -> str:
    """Where the button leads; empty for whom, and for what, there is none."""
    if sale.is_rehearsal or sale.status == SaleStatus.ENDED or not request.user.has_perm(CHANGE):
        return ""
    return reverse("admin:flash_sales_flashsale_rehearse", args=[sale.pk])


def rehearsal_url(rehearsal_id: int) -> str:
    return reverse("admin:flash_sales_rehearsal_change", args=[rehearsal_id])
