"""Refunds, as staff see them."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from orders.admin.colours import STATUS_COLOURS
from orders.admin.found_by_order import FoundByOrder
from orders.models import Refund
from orders.money import format_cents
from tasks.admin_base import badge


@admin.register(Refund)
class RefundAdmin(FoundByOrder, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["order", "created_at", "amount", "shown_status", "reason", "actor"]
    list_filter = ["status", "created_at"]
    fields = [
        *("order", "payment", "amount", "status", "problem", "reason", "actor", "cause"),
        *("gateway_reference", "created_at", "asked_at", "settled_at"),
    ]
    readonly_fields = ["amount", "created_at", "asked_at", "settled_at"]

    @admin.display(description="amount")
    def amount(self, refund: Refund) -> str:
        return format_cents(refund.amount_cents, refund.currency)

    @badge("status", STATUS_COLOURS)
    def shown_status(self, refund: Refund) -> tuple[str, str]:
        return refund.status, refund.get_status_display()
