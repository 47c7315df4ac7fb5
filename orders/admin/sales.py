"""What was sold each day, as staff see it."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from orders.models import SalesDay
from orders.money import format_cents
from tasks.admin_base import ReadOnlyAdmin


@admin.register(SalesDay)
class SalesDayAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["day", "sku", "orders", "units", "amount"]
    list_filter = ["day", "currency"]
    search_fields = ["=sku"]
    date_hierarchy = "day"

    @admin.display(description="amount", ordering="amount_cents")
    def amount(self, row: SalesDay) -> str:
        return format_cents(row.amount_cents, row.currency)
