"""The pages of bulk deeds: ask, do it for each order, report."""

from collections import Counter
from http import HTTPStatus
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from orders.admin.desk_views import signed_in
from orders.admin.order_bulk import BULK, MOST_AT_ONCE, BulkAction, BulkForm, Fate, do_for_each
from orders.models import Order
from orders.services.timeline import staff_actor


class BulkPages:
    """Mix into the ModelAdmin of orders."""

    admin_site: admin.AdminSite

    def has_ship_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(BULK["ship"].permission)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(BULK["cancel"].permission)

    def has_refund_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(BULK["refund_overpaid"].permission)

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(BULK["resend_last"].permission)

    @admin.action(description="Ship all that is left…", permissions=["ship"])
    def ship(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        return self._bulk(request, BULK["ship"], orders)

    @admin.action(description="Cancel…", permissions=["cancel"])
    def cancel(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        return self._bulk(request, BULK["cancel"], orders)

    @admin.action(description="Refund what is too much…", permissions=["refund"])
    def refund_overpaid(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        return self._bulk(request, BULK["refund_overpaid"], orders)

    @admin.action(description="Send the last mail again…", permissions=["resend"])
    def resend_last(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        return self._bulk(request, BULK["resend_last"], orders)

    def _bulk(
        self, request: HttpRequest, action: BulkAction, orders: QuerySet[Order]
    ) -> HttpResponse | None:
        user = signed_in(request)
        if not user.has_perm(action.permission):
            raise PermissionDenied
        chosen = list(orders.order_by("pk")[: MOST_AT_ONCE + 1])
        if len(chosen) > MOST_AT_ONCE:
            messages.error(
                request,
                f"Nothing was done: at most {MOST_AT_ONCE} orders at once. Filter the list, or "
                "choose fewer.",
            )
            return None
        confirmed = request.POST.get("confirmed") == action.verb
        form = action.form(request.POST if confirmed else None)
        if confirmed and form.is_valid():
            return self._report(
                request, action, do_for_each(action, chosen, form, staff_actor(user))
            )
        return self._ask_for_all(request, action, form, chosen)

    def _ask_for_all(
        self, request: HttpRequest, action: BulkAction, form: BulkForm, orders: list[Order]
    ) -> HttpResponse:
        status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
        context = {"form": form, "orders": orders, "shown": orders[:10], "more": len(orders) - 10}
        return self._bulk_page(request, "orders/desk/bulk.html", action, context, status)

    def _report(self, request: HttpRequest, action: BulkAction, fates: list[Fate]) -> HttpResponse:
        counted = Counter(fate.outcome for fate in fates)
        context = {
            "fates": sorted(fates, key=lambda fate: (fate.outcome == "done", fate.order.pk)),
            **{name: counted[name] for name in ("done", "refused", "left")},
        }
        return self._bulk_page(request, "orders/desk/bulk_report.html", action, context)

    def _bulk_page(
        self,
        request: HttpRequest,
        template: str,
        action: BulkAction,
        context: dict[str, Any],
        status: HTTPStatus = HTTPStatus.OK,
    ) -> HttpResponse:
        shared = {
            **self.admin_site.each_context(request),
            "title": action.title,
            "action": action,
            "list_url": reverse("admin:orders_order_changelist"),
        }
        return TemplateResponse(request, template, {**shared, **context}, status=status)
