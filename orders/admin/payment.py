"""Payments, as staff see them."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from orders.admin.colours import STATUS_COLOURS
from orders.models import Payment
from orders.money import format_cents
from tasks.admin_base import ReadOnlyAdmin, badge


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["order", "created_at", "amount", "card", "shown_status", "decline_code"]
    list_filter = ["status", "decline_code", "card_brand"]
    list_select_related = ["order"]
    search_fields = ["=order__number", "=gateway_reference", "=card_last4"]
    ordering = ["-id"]

    @admin.display(description="amount")
    def amount(self, payment: Payment) -> str:
        return format_cents(payment.amount_cents, payment.currency)

    @admin.display(description="card")
    def card(self, payment: Payment) -> str:
        return payment.card_label

    @badge("status", STATUS_COLOURS)
    def shown_status(self, payment: Payment) -> tuple[str, str]:
        return payment.status, payment.get_status_display()
