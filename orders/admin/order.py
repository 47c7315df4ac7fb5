"""Orders, as staff see them."""

from django.contrib import admin
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from orders.admin.colours import STATUS_COLOURS
from orders.admin.proof import ProofPages
from orders.admin.rows import NotificationRows, OrderLineRows, PaymentRows, TimelineRows
from orders.models import Order
from orders.money import format_cents
from tasks.admin_base import ReadOnlyAdmin, badge


@admin.register(Order)
class OrderAdmin(ProofPages, ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["number", "placed_at", "email", "total", "shown_status", "shown_fulfilment"]
    list_filter = ["status", "fulfilment", "placed_at"]
    search_fields = ["=number", "email", "ship_to_name", "lines__sku", "payments__card_last4"]
    date_hierarchy = "placed_at"
    list_per_page = 50
    inlines = [OrderLineRows, PaymentRows, TimelineRows, NotificationRows]
    readonly_fields = ["total", "customer_page", "ship_to"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("number", "total"),
                    ("status", "fulfilment"),
                    ("email", "customer_page"),
                    "ship_to",
                    ("placed_at", "paid_at"),
                    ("packed_at", "hold_expires_at"),
                    "trace_id",
                ]
            },
        )
    ]

    @badge("status", STATUS_COLOURS)
    def shown_status(self, order: Order) -> tuple[str, str]:
        return order.status, order.get_status_display()

    @badge("stock", STATUS_COLOURS)
    def shown_fulfilment(self, order: Order) -> tuple[str, str]:
        return order.fulfilment, order.get_fulfilment_display()

    @admin.display(description="total")
    def total(self, order: Order) -> str:
        return format_cents(order.total_cents, order.currency)

    @admin.display(description="shopper's page")
    def customer_page(self, order: Order) -> str:
        return format_html('<a href="/orders/{}/" target="_blank">open</a>', order.token)

    @admin.display(description="ships to")
    def ship_to(self, order: Order) -> str:
        parts = [
            *(order.ship_to_name, order.ship_to_line1, order.ship_to_line2),
            *(f"{order.ship_to_postcode} {order.ship_to_city}", order.ship_to_country),
        ]
        return ", ".join(part for part in parts if part)
