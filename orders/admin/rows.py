"""What an order's page lists below it."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import TabularInline

from orders.models import Notification, OrderLine, Payment, StockHold, TimelineEvent
from orders.money import format_cents
from tasks.admin_base import ReadOnlyAdmin


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
