"""The outbox for the people on call: what waits, until when, and why."""

from django.contrib import admin
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from tasks.admin_base import ReadOnlyAdmin, pretty_json
from tasks.models import OutboxMessage
from tasks.moments import words_until


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["task", "subject", "attempt", "next_at", "why"]
    list_filter = ["task", "attempt"]
    search_fields = ["=subject", "=trace_id", "=dedupe_key", "reason"]
    ordering = ["not_before"]
    fields = [
        *("id", "task", "subject", "attempt", "next_at", "reason", "arguments"),
        *("first_enqueued_at", "enqueued_at", "dedupe_key", "schema_version", "trace_id"),
    ]
    readonly_fields = ["arguments", "next_at"]

    @admin.display(description="next at", ordering="not_before")
    def next_at(self, message: OutboxMessage) -> str:
        moment = timezone.localtime(message.not_before)
        return format_html(
            '<time datetime="{}" style="white-space:nowrap">{}</time><br><strong>{}</strong>',
            moment.isoformat(),
            date_format(moment, "Y-m-d H:i:s"),
            words_until(moment, timezone.now()),
        )

    @admin.display(description="why it did not finish")
    def why(self, message: OutboxMessage) -> str:
        return message.reason or "first try"

    @admin.display(description="arguments")
    def arguments(self, message: OutboxMessage) -> str:
        return pretty_json(message.kwargs)
