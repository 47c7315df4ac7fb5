"""Stock and its ledger, as staff see them."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from orders.models import StockItem, StockMovement
from tasks.admin_base import ReadOnlyAdmin


@admin.register(StockItem)
class StockItemAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["sku", "on_hand", "held", "available"]
    search_fields = ["sku"]


@admin.register(StockMovement)
class StockMovementAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["at", "sku", "kind", "quantity", "order_number", "reason"]
    list_filter = ["kind", "at"]
    list_select_related = ["line__order"]
    search_fields = ["=sku", "=line__order__number"]

    @admin.display(description="order")
    def order_number(self, movement: StockMovement) -> str:
        return movement.line.order.number if movement.line else ""
