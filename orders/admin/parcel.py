"""Parcels and returns, as staff see them."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from orders.admin.colours import STATUS_COLOURS
from orders.admin.found_by_order import FoundByOrder
from orders.models import Return, Shipment
from tasks.admin_base import badge


@admin.register(Shipment)
class ShipmentAdmin(FoundByOrder, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["order", "shipped_at", "carrier", "tracking_code", "shown_status", "actor"]
    list_filter = ["status", "carrier", "shipped_at"]

    @badge("status", STATUS_COLOURS)
    def shown_status(self, parcel: Shipment) -> tuple[str, str]:
        return parcel.status, parcel.get_status_display()


@admin.register(Return)
class ReturnAdmin(FoundByOrder, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["order", "announced_at", "reason", "shown_status", "received_at"]
    list_filter = ["status", "announced_at"]

    @badge("status", STATUS_COLOURS)
    def shown_status(self, coming: Return) -> tuple[str, str]:
        return coming.status, coming.get_status_display()
