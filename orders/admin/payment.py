"""Payments, as staff see them."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from orders.admin.colours import STATUS_COLOURS
from orders.admin.found_by_order import FoundByOrder
from orders.models import Payment
from orders.money import format_cents
from tasks.admin_base import badge


@admin.register(Payment)
class PaymentAdmin(FoundByOrder, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["order", "created_at", "amount", "card", "shown_status", "decline_code"]
    list_filter = ["status", "decline_code", "card_brand"]
    ordering = ["-id"]
    fields = [
        *("order", "card", "amount", "status", "decline_code", "decline_message"),
        *("gateway_reference", "refund_reserved_cents", "created_at", "asked_at", "settled_at"),
    ]
    readonly_fields = [
        "card",
        "amount",
        "refund_reserved_cents",
        "created_at",
        "asked_at",
        "settled_at",
    ]

    @admin.display(description="amount")
    def amount(self, payment: Payment) -> str:
        return format_cents(payment.amount_cents, payment.currency)

    @admin.display(description="card")
    def card(self, payment: Payment) -> str:
        return payment.card_label

    @badge("status", STATUS_COLOURS)
    def shown_status(self, payment: Payment) -> tuple[str, str]:
        return payment.status, payment.get_status_display()
