"""Orders, payments, mails and stock, as staff see them."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline

from orders.models import (
    Notification,
    Order,
    OrderLine,
    Payment,
    SalesDay,
    StockHold,
    StockItem,
    StockMovement,
    TimelineEvent,
)
from orders.money import format_cents
from tasks.admin_base import ReadOnlyAdmin, badge

STATUS_COLOURS = {
    "placed": "info",
    "paid": "success",
    "payment_failed": "warning",
    "expired": "danger",
    "pending": "info",
    "unknown": "warning",
    "captured": "success",
    "declined": "danger",
    "sent": "success",
    "packed": "success",
    "unfulfilled": "info",
}


class _Rows(ReadOnlyAdmin, TabularInline):  # type: ignore[misc]  # unfold is untyped
    extra = 0
    can_delete = False
    tab = False
    hide_title = True
    show_change_link = False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return list(self.fields)


class OrderLineRows(_Rows):
    model = OrderLine
    fields = ["sku", "title", "quantity", "unit_price", "hold_status"]
    verbose_name_plural = "Lines and what is held for them"

    @admin.display(description="unit price")
    def unit_price(self, line: OrderLine) -> str:
        return format_cents(line.unit_price_cents, line.order.currency)

    @admin.display(description="hold")
    def hold_status(self, line: OrderLine) -> str:
        hold: StockHold | None = getattr(line, "hold", None)
        return str(hold) if hold else "none"


class PaymentRows(_Rows):
    model = Payment
    fields = ["card", "amount", "status", "decline_message", "gateway_reference", "settled_at"]

    @admin.display(description="card")
    def card(self, payment: Payment) -> str:
        return payment.card_label

    @admin.display(description="amount")
    def amount(self, payment: Payment) -> str:
        return format_cents(payment.amount_cents, payment.currency)


class TimelineRows(_Rows):
    model = TimelineEvent
    fields = ["at", "kind", "text", "actor"]
    verbose_name_plural = "Timeline"


class NotificationRows(_Rows):
    model = Notification
    fields = ["kind", "recipient", "status", "subject", "sent_at"]
    verbose_name_plural = "Mails"
    show_change_link = True


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
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


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["order", "kind", "recipient", "shown_status", "created_at", "sent_at"]
    list_filter = ["kind", "status"]
    list_select_related = ["order"]
    search_fields = ["=order__number", "recipient"]
    fields = [
        *("order", "kind", "cause", "recipient", "status", "sent_at", "message_key"),
        *("subject", "as_html", "as_text"),
    ]
    readonly_fields = ["as_html", "as_text"]

    @badge("status", STATUS_COLOURS)
    def shown_status(self, mail: Notification) -> tuple[str, str]:
        return mail.status, mail.get_status_display()

    @admin.display(description="as HTML")
    def as_html(self, mail: Notification) -> str:
        # sandbox without allowances: whatever a shopper typed into a name runs nothing here
        return format_html(
            '<iframe sandbox srcdoc="{}" title="the mail" '
            'style="width:100%;height:32rem;border:1px solid #ccc;background:#fff"></iframe>',
            mail.html,
        )

    @admin.display(description="as text")
    def as_text(self, mail: Notification) -> str:
        return format_html('<pre style="white-space:pre-wrap">{}</pre>', mail.text)


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


@admin.register(SalesDay)
class SalesDayAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["day", "sku", "orders", "units", "amount"]
    list_filter = ["day", "currency"]
    search_fields = ["=sku"]
    date_hierarchy = "day"

    @admin.display(description="amount", ordering="amount_cents")
    def amount(self, row: SalesDay) -> str:
        return format_cents(row.amount_cents, row.currency)
