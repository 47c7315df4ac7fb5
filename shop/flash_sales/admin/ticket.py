"""Tickets as staff see them. Services write them."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from shop.flash_sales.models import Ticket
from tasks.admin_base import ReadOnlyAdmin, badge

COLOURS = {
    "held": "info",
    "ordered": "warning",
    "sold": "success",
    "expired": "danger",
    "returned": "danger",
}


@admin.register(Ticket)
class TicketAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["id", "item", "place", "shown_status", "held_until", "order", "ended_at"]
    list_filter = ["status", "item__sale"]
    list_select_related = ["item__sale", "order"]
    search_fields = ["=person", "=nonce", "=order__number"]
    fields = [
        *("item", "person", "place", "status", "held_until", "order", "note", "nonce"),
        *("created_at", "ended_at"),
    ]
    readonly_fields = fields

    @badge("status", COLOURS)
    def shown_status(self, ticket: Ticket) -> tuple[str, str]:
        return ticket.status, ticket.get_status_display()
