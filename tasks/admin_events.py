"""Events that still have to leave, and those that the sink refused."""

import json

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from tasks.admin_base import ReadOnlyAdmin, badge
from tasks.event_models import EventMessage
from tasks.events.relay import send_again


@admin.register(EventMessage)
class EventMessageAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["type", "subject", "sequence", "occurred_at", "shown_state", "reason"]
    list_filter = ["type", ("refused_at", admin.EmptyFieldListFilter)]
    search_fields = ["=subject", "=trace_id"]
    ordering = ["occurred_at"]
    actions = ["send_again"]
    fields = [
        *("id", "type", "version", "subject", "sequence", "shown_data", "trace_id"),
        *("occurred_at", "attempts", "refused_at", "reason"),
    ]
    readonly_fields = ["shown_data"]

    @badge("state", {"waits": "info", "refused": "danger"})
    def shown_state(self, message: EventMessage) -> str:
        return "refused" if message.refused_at else "waits"

    @admin.display(description="data")
    def shown_data(self, message: EventMessage) -> str:
        shown = json.dumps(message.data, indent=2, default=str)
        return format_html('<pre style="white-space:pre-wrap">{}</pre>', shown)

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tasks.change_eventmessage")

    @admin.action(description="Send refused events again", permissions=["send"])
    def send_again(self, request: HttpRequest, events: QuerySet[EventMessage]) -> None:
        sent = sum(send_again(pk) for pk in events.values_list("pk", flat=True))
        messages.success(request, f"{sent} refused events are tried again, with those behind them.")
