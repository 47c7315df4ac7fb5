"""Mails, as staff see them."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from orders.admin.colours import STATUS_COLOURS
from orders.admin.found_by_order import FoundByOrder
from orders.models import Notification
from tasks.admin_base import badge


@admin.register(Notification)
class NotificationAdmin(FoundByOrder, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["order", "kind", "recipient", "shown_status", "created_at", "sent_at"]
    list_filter = ["kind", "status"]
    fields = [
        *("order", "kind", "cause", "recipient", "status", "sent_at", "message_key"),
        *("subject", "problem", "as_html", "as_text"),
    ]
    readonly_fields = ["as_html", "as_text"]

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Notification | None:
        mail: Notification | None = super().get_object(request, object_id, from_field)
        if mail is not None and not request.user.has_perm("orders.resend_mail"):
            # Whoever has the order's link may do what the shopper may.
            token = mail.order.token
            mail.text, mail.html = mail.text.replace(token, "…"), mail.html.replace(token, "…")
        return mail

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
