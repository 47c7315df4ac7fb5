"""Products in the back office, with the stock that shoppers see; accounts and their mails."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline

from orders.selectors import available
from shop.models import Account, AccountMail, Category, Product, Variant
from shop.money import display_price
from shop.selectors import picture_url
from tasks.admin_base import ReadOnlyAdmin, badge


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


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]
    """Who has an account. Its data is changed by its owner, and erased by 'personal_data'."""

    list_display = ["email", "language", "confirmed_at", "order_count"]
    search_fields = ["email"]
    fields = ["email", "language", "confirmed_at", "order_count"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        accounts: QuerySet[Account] = super().get_queryset(request)
        return accounts.annotate(orders_in_it=Count("user__orders"))

    @admin.display(description="orders")
    def order_count(self, account: Account) -> int:
        return int(getattr(account, "orders_in_it", 0))


@admin.register(AccountMail)
class AccountMailAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]
    """Mails about accounts, without their words: a link in them would be a key."""

    list_display = ["kind", "recipient", "coloured_status", "created_at", "settled_at", "problem"]
    list_filter = ["status", "kind"]
    search_fields = ["recipient"]
    fields = [
        *("kind", "recipient", "language", "status", "subject", "problem"),
        *("created_at", "settled_at", "closed_at"),
    ]
    readonly_fields = fields

    @badge("status", {"pending": "info", "sent": "success", "refused": "danger"})
    def coloured_status(self, mail: AccountMail) -> tuple[str, str]:
        return mail.status, mail.get_status_display()
