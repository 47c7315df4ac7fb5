"""Flash sales as staff see them: drafted by a form, then moved by the deeds of the console."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Model, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from unfold.admin import ModelAdmin, TabularInline

from orders.errors import Busy
from orders.services.timeline import staff_actor
from shop.flash_sales.admin.console_pages import ConsolePages
from shop.flash_sales.admin.deed_pages import DeedPages
from shop.flash_sales.admin.preview_pages import PreviewPages, preview_url
from shop.flash_sales.admin.rehearse_page import RehearsePage
from shop.flash_sales.admin.sale_kind import KindFilter
from shop.flash_sales.drafting import change_draft
from shop.flash_sales.errors import SaleError
from shop.flash_sales.models import FlashSale, SaleItem
from shop.flash_sales.selling import NewSale, create_sale
from shop.flash_sales.states import OnLostGate, SaleStatus
from shop.http import SeeOther
from shop.money import display_price
from tasks.admin_base import ReadOnlyAdmin, badge

COLOURS = {"draft": "info", "announced": "success", "paused": "warning", "ended": "danger"}
_EDITED = [
    *("slug", "title", "intro", "starts_at", "ends_at", "limit_per_person", "hold_seconds"),
    *("admission_per_second", "on_lost_gate", "challenge_work"),
]


class DraftForm(forms.ModelForm):  # type: ignore[type-arg]  # it is no generic at run time
    """Says in words what the table's constraint would say by its name."""

    def clean(self) -> dict[str, Any]:
        facts: dict[str, Any] = super().clean() or self.cleaned_data
        if {"starts_at", "ends_at"} <= facts.keys() and facts["ends_at"] <= facts["starts_at"]:
            self.add_error("ends_at", "The sale must end after it starts.")
        return facts


class ItemInline(ReadOnlyAdmin, TabularInline):  # type: ignore[misc]  # unfold is untyped
    model = SaleItem
    extra = 0
    fields = readonly_fields = ["sku", "title", "price", "units", "held", "sold", "left"]

    @admin.display(description="price")
    def price(self, item: SaleItem) -> str:
        return display_price(item.price_cents)

    @admin.display(description="free")
    def left(self, item: SaleItem) -> int:
        return item.free


@admin.register(FlashSale)
class FlashSaleAdmin(DeedPages, ConsolePages, PreviewPages, RehearsePage, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    """Only a draft is edited. What people have seen is changed by deeds, each of them logged."""

    form = DraftForm
    change_form_before_template = "flash_sales/desk/sale_bar.html"
    list_display = ["title", "shown_status", "starts_at", "ends_at", "units", "console"]
    list_filter = ["status", KindFilter]
    search_fields = ["title", "slug"]
    fields = ["console", "preview", "state", *_EDITED, "history"]
    readonly_fields = ["console", "preview", "state", "history"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[FlashSale]:
        sales: QuerySet[FlashSale] = super().get_queryset(request)
        return sales.annotate(all_units=Sum("items__units"), all_sold=Sum("items__sold"))

    def get_urls(self) -> list[URLPattern]:
        theirs: list[URLPattern] = super().get_urls()
        ours = [*self.deed_urls(), *self.console_urls(), *self.preview_urls()]
        return [*ours, *self.rehearse_urls(), *theirs]

    def get_fields(self, request: HttpRequest, obj: FlashSale | None = None) -> list[str]:
        return self.fields if obj else _EDITED

    def get_inlines(self, request: HttpRequest, obj: FlashSale | None) -> list[type[ItemInline]]:
        return [ItemInline] if obj else []

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        is_draft = obj is None or getattr(obj, "status", "") == SaleStatus.DRAFT
        return is_draft and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            page: HttpResponse = super().changeform_view(
                request, object_id, form_url, extra_context
            )
        except (SaleError, Busy) as fact:
            # What the form could not know. The transaction is rolled back: nothing was changed.
            messages.error(request, str(fact))
            name = "admin:flash_sales_flashsale_"
            if object_id is None:
                return SeeOther(reverse(f"{name}changelist"))
            return SeeOther(reverse(f"{name}change", args=[unquote(object_id)]))
        return page

    def save_model(self, request: HttpRequest, obj: FlashSale, form: Any, change: bool) -> None:
        facts = {name: form.cleaned_data[name] for name in _EDITED}
        new = NewSale(**{**facts, "on_lost_gate": OnLostGate(facts["on_lost_gate"])})
        actor = staff_actor(request.user)  # type: ignore[arg-type]  # behind admin_view
        if change:
            change_draft(obj.pk, new, actor=actor)
        else:
            obj.pk = create_sale(new, actor=actor).pk

    @badge("state", COLOURS)
    def shown_status(self, sale: FlashSale) -> tuple[str, str]:
        return sale.status, sale.get_status_display()

    @admin.display(description="state")
    def state(self, sale: FlashSale) -> str:
        return str(sale.get_status_display())

    @admin.display(description="sold")
    def units(self, sale: FlashSale) -> str:
        sold, units = (getattr(sale, name, 0) or 0 for name in ("all_sold", "all_units"))
        return f"{sold} of {units}"

    @admin.display(description="console")
    def console(self, sale: FlashSale) -> str:
        url = reverse("admin:flash_sales_flashsale_console", args=[sale.pk])
        return format_html('<a class="text-primary-600 underline" href="{}">Open</a>', url)

    @admin.display(description="as shoppers see it")
    def preview(self, sale: FlashSale) -> str:
        words = "Preview" if sale.status == SaleStatus.DRAFT else "Its page"
        link = '<a class="text-primary-600 underline" href="{}">{}</a>'
        return format_html(link, preview_url(sale), words)

    @admin.display(description="what happened")
    def history(self, sale: FlashSale) -> str:
        return format_html(
            "<ol>{}</ol>",
            format_html_join(
                "",
                "<li>{} {} ({})</li>",
                (
                    (f"{timezone.localtime(one.at):%Y-%m-%d %H:%M:%S}", one.text, one.actor)
                    for one in sale.timeline.all()
                ),
            ),
        )
