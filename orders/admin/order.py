"""The order desk: the list of orders, the page of one, and what staff may do with them."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.formats import date_format
from unfold.admin import ModelAdmin

from orders.admin.bulk_pages import BulkPages
from orders.admin.colours import STATUS_COLOURS
from orders.admin.desk_views import DeskPages, signed_in
from orders.admin.exports import OrderExport
from orders.admin.order_filters import HasPayment, HasRefund, HasReturn, NeedsAttention
from orders.admin.order_page import order_page
from orders.admin.paper_views import PaperPages
from orders.admin.proof import ProofPages
from orders.attention import Rule, reasons
from orders.desk import order_for_desk
from orders.models import Order
from orders.money import format_cents
from orders.search import find_orders
from tasks.admin_base import ReadOnlyAdmin, badge


@admin.register(Order)
class OrderAdmin(  # unfold is untyped
    OrderExport,
    DeskPages,
    PaperPages,
    BulkPages,
    ProofPages,
    ReadOnlyAdmin,
    ModelAdmin,  # type: ignore[misc]
):
    list_display = [
        *("number", "placed", "shopper", "total"),
        *("shown_status", "shown_fulfilment", "attention"),
    ]
    list_filter = [
        *(NeedsAttention, "status", "fulfilment"),
        *(HasPayment, HasRefund, HasReturn, "placed_at"),
    ]
    # The words are looked for by get_search_results; the admin shows the box because of this.
    search_fields = ["number"]
    search_help_text = "Number, mail address, name, SKU, last four digits of the card"
    list_per_page = 50
    show_full_result_count = False
    actions = ["ship", "resend_last", "refund_overpaid", "cancel"]

    def get_urls(self) -> list[URLPattern]:
        return [*self.desk_urls(), *self.paper_urls(), *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        return find_orders(queryset, search_term), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """One look at what waits for somebody for the whole page instead of one per row."""
        changelist = super().get_changelist_instance(request)
        found = reasons([order.pk for order in changelist.result_list])
        for order in changelist.result_list:
            order.reasons = found.get(order.pk, [])
        return changelist

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        order = order_for_desk(int(object_id)) if object_id.isdecimal() else None
        if order is None:
            raise Http404("There is no such order.")
        context = {
            **self.admin_site.each_context(request),
            "title": f"Order {order.number}",
            "opts": self.opts,
            "original": order,
            **order_page(order, signed_in(request)),
        }
        return TemplateResponse(request, "orders/desk/order.html", context)

    @badge("status", STATUS_COLOURS)
    def shown_status(self, order: Order) -> tuple[str, str]:
        return order.status, order.get_status_display()

    @badge("fulfilment", STATUS_COLOURS)
    def shown_fulfilment(self, order: Order) -> tuple[str, str]:
        return order.fulfilment, order.get_fulfilment_display()

    @admin.display(description="placed", ordering="-placed_at")
    def placed(self, order: Order) -> str:
        return date_format(timezone.localtime(order.placed_at), "Y-m-d H:i")

    @admin.display(description="shopper")
    def shopper(self, order: Order) -> str:
        return order.ship_to_name

    @admin.display(description="total", ordering="total_cents")
    def total(self, order: Order) -> str:
        return format_cents(order.total_cents, order.currency)

    @admin.display(description="needs attention")
    def attention(self, order: Order) -> str:
        found: list[Rule] = getattr(order, "reasons", [])
        return ", ".join(rule.title for rule in found) or "–"
