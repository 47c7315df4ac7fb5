"""Outbox and dead letters for the people on call."""

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from tasks import (
    admin_events,  # noqa: F401  # registers the events that wait
    admin_locks,  # noqa: F401  # registers the lock inspector
    dead_letters,
)
from tasks.admin_base import ReadOnlyAdmin, badge
from tasks.models import DeadLetter, OutboxMessage


def pretty_json(value: Any) -> str:
    return format_html(
        '<pre style="white-space:pre-wrap">{}</pre>', json.dumps(value, indent=2, default=str)
    )


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["task", "subject", "attempt", "not_before", "enqueued_at", "reason"]
    list_filter = ["task"]
    search_fields = ["=subject", "=trace_id"]
    ordering = ["not_before"]
    fields = [
        *("id", "task", "subject", "arguments", "attempt", "reason"),
        *("first_enqueued_at", "enqueued_at", "not_before", "trace_id"),
    ]
    readonly_fields = ["arguments"]

    @admin.display(description="arguments")
    def arguments(self, message: OutboxMessage) -> str:
        return pretty_json(message.kwargs)


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["task", "subject", "error_class", "attempt", "dead_at", "shown_status"]
    list_filter = ["status", "error_class", "task"]
    search_fields = ["=subject", "=trace_id", "error"]
    ordering = ["-dead_at"]
    actions = ["redrive"]
    fields = [
        *("task", "subject", "arguments", "attempt", "error_class", "shown_error", "worker"),
        *("first_enqueued_at", "dead_at", "status", "closed_at", "closed_by"),
        *("message_id", "trace_id"),
    ]
    readonly_fields = ["arguments", "shown_error"]

    @badge("status", {"open": "danger", "redriven": "success"})
    def shown_status(self, letter: DeadLetter) -> str:
        return letter.status

    @admin.display(description="arguments")
    def arguments(self, letter: DeadLetter) -> str:
        return pretty_json(letter.kwargs)

    @admin.display(description="error")
    def shown_error(self, letter: DeadLetter) -> str:
        return format_html('<pre style="white-space:pre-wrap">{}</pre>', letter.error)

    def has_redrive_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tasks.change_deadletter")

    @admin.action(
        description="Redrive: send the message again, with the same arguments",
        permissions=["redrive"],
    )
    def redrive(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        sent = 0
        for letter in letters.order_by("pk"):
            try:
                dead_letters.redrive(letter.pk, by=request.user.get_username())
                sent += 1
            except dead_letters.NotOpen:
                messages.warning(request, f"{letter}: closed already, not sent again.")
        messages.success(request, f"{sent} sent again. They show in the outbox until published.")
