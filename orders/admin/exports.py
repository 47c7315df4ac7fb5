"""Orders as a file from the list, and the mails that bring one at set times."""

from typing import Any

import structlog
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from import_export.admin import ExportMixin
from import_export.formats.base_formats import CSV
from unfold.admin import ModelAdmin

from orders.models import ExportSchedule, StaffMail
from orders.order_resource import OrderResource
from orders.services.exports import TooManyOrders, ensure_exportable
from orders.services.staff_mail import send_mail_again
from tasks.admin_base import ReadOnlyAdmin, badge

log = structlog.get_logger(__name__)


class OrderExport(ExportMixin):  # type: ignore[misc]  # import_export is untyped
    """Mix in before the ModelAdmin of orders: 'Export' gives what the list shows, as CSV."""

    resource_classes = [OrderResource]
    export_formats = [CSV]
    skip_export_form = True
    to_encoding = "utf-8-sig"  # spreadsheets look for the mark

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orders.export_orders")

    def export_action(self, request: HttpRequest) -> HttpResponse:
        try:
            answer: HttpResponse = super().export_action(request)
        except TooManyOrders as error:
            messages.error(request, str(error))
            return redirect(f"../?{request.GET.urlencode()}")
        return answer

    def get_export_data(
        self, file_format: Any, request: HttpRequest, queryset: Any, **kwargs: Any
    ) -> Any:
        ensure_exportable(queryset)
        data = super().get_export_data(file_format, request, queryset, **kwargs)
        log.info("orders_exported", by=request.user.get_username(), query=request.GET.urlencode())
        return data


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    class Meta:
        model = ExportSchedule
        fields = ["name", "recipients", "period", "weekday", "hour", "is_active"]

    def clean_recipients(self) -> str:
        addresses = ExportSchedule(recipients=self.cleaned_data["recipients"]).addresses
        wrong = [address for address in addresses if not _is_address(address)]
        if wrong or not addresses:
            raise ValidationError(
                f"No mail address: {', '.join(wrong)}." if wrong else "Give a mail address."
            )
        return ", ".join(addresses)


class _MayExport:
    """Whoever may export orders decides to whom they are mailed."""

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        opts = self.opts  # type: ignore[attr-defined]  # a ModelAdmin's
        view = f"{opts.app_label}.view_{opts.model_name}"
        return request.user.has_perm("orders.export_orders") or request.user.has_perm(view)


@admin.register(ExportSchedule)
class ExportScheduleAdmin(_MayExport, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    form = ScheduleForm
    list_display = ["name", "period", "hour", "recipients", "is_active", "last_sent_at"]
    fields = ["name", "recipients", "period", "weekday", "hour", "is_active", "last_sent_at"]
    readonly_fields = ["last_sent_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orders.export_orders")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("orders.export_orders")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("orders.export_orders")


@admin.register(StaffMail)
class StaffMailAdmin(_MayExport, ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["created_at", "kind", "recipient", "subject", "shown_status", "sent_at"]
    list_filter = ["kind", "status"]
    search_fields = ["recipient", "subject"]
    fields = [
        *("kind", "recipient", "status", "problem", "created_at", "sent_at", "message_key"),
        *("subject", "text", "attachment_name"),
    ]
    actions = ["send_again"]

    @badge("status", {"pending": "info", "sent": "success", "refused": "danger"})
    def shown_status(self, mail: StaffMail) -> tuple[str, str]:
        return mail.status, mail.get_status_display()

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orders.export_orders")

    @admin.action(description="Send again what was refused", permissions=["send"])
    def send_again(self, request: HttpRequest, chosen: "QuerySet[StaffMail]") -> None:
        sent = sum(send_mail_again(pk) for pk in chosen.values_list("pk", flat=True))
        told = messages.success if sent else messages.warning
        told(request, f"{sent} are on their way once more. The others were not refused.")


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
