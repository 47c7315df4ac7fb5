"""Products in the back office, with the stock that shoppers see."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline

from orders.selectors import available
from shop.models import Category, Product, Variant
from shop.money import display_price
from shop.selectors import picture_url


class VariantInline(TabularInline):  # type: ignore[misc]  # unfold has no type information
    model = Variant
    extra = 0
    fields = ["sku", "name", "price_cents", "position", "can_be_bought"]
    readonly_fields = ["can_be_bought"]

    @admin.display(description="can be bought now")
    def can_be_bought(self, variant: Variant) -> str:
        return f"{available([variant.sku]).get(variant.sku, 0)} units" if variant.pk else "–"


@admin.register(Category)
class CategoryAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ["name", "slug", "position"]
    list_editable = ["position"]
    prepopulated_fields = {"slug": ["name"]}
    search_fields = ["name"]


@admin.register(Product)
class ProductAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = [
        "thumbnail",
        "name",
        "category",
        "prices",
        "can_be_bought",
        "is_published",
        "is_featured",
    ]
    list_display_links = ["thumbnail", "name"]
    list_filter = ["category", "is_published", "is_featured"]
    list_select_related = ["category"]
    search_fields = ["name", "slug", "variants__sku"]
    prepopulated_fields = {"slug": ["name"]}
    readonly_fields = ["thumbnail"]
    inlines = [VariantInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        products: QuerySet[Product] = super().get_queryset(request)
        return products.prefetch_related(Prefetch("variants", Variant.objects.order_by("position")))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """One look at the stock for the whole list instead of one per row."""
        changelist = super().get_changelist_instance(request)
        units = available(
            [item.sku for product in changelist.result_list for item in product.variants.all()]
        )
        for product in changelist.result_list:
            product.units_by_sku = units
        return changelist

    @admin.display(description="")
    def thumbnail(self, product: Product) -> SafeString | str:
        if not product.picture:
            return "–"
        return format_html(
            '<img src="{}" alt="" width="56" height="56" style="border-radius:8px">',
            picture_url(product),
        )

    @admin.display(description="price")
    def prices(self, product: Product) -> str:
        cents = sorted({variant.price_cents for variant in product.variants.all()})
        return " – ".join(display_price(price) for price in (cents[:1] + cents[1:][-1:]))

    @admin.display(description="can be bought now")
    def can_be_bought(self, product: Product) -> str:
        units: dict[str, int] = getattr(product, "units_by_sku", {})
        return ", ".join(
            f"{variant.name or variant.sku}: {units.get(variant.sku, 0)}"
            for variant in product.variants.all()
        )
