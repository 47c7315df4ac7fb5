"""Other systems that listen, what each was told, and what it answered."""

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet, URLField
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from orders.gateways.guarded_socket import is_public
from orders.models import WebhookDelivery, WebhookEndpoint
from orders.services.timeline import staff_actor
from orders.services.webhooks_out import send_again
from tasks.admin_base import ReadOnlyAdmin, badge, pretty_json
from tasks.events import schemas

DELIVERY_COLOURS = {"pending": "info", "delivered": "success", "given_up": "danger"}


class _Manages:
    """Listeners are seen and changed by whoever manages them; others may be allowed to look."""

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        opts = self.opts  # type: ignore[attr-defined]  # a ModelAdmin's
        view = f"{opts.app_label}.view_{opts.model_name}"
        return self.has_manage_permission(request) or request.user.has_perm(view)

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orders.manage_endpoints")


def _field(column: Any, **options: Any) -> Any:
    """An address without a scheme is taken to be one of https."""
    scheme = {"assume_scheme": "https"} if isinstance(column, URLField) else {}
    return column.formfield(**options, **scheme)


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    kinds = forms.MultipleChoiceField(
        required=False,
        label="Events",
        help_text="None chosen: all of them, also those of later releases.",
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = WebhookEndpoint
        fields = ["url", "kinds", "is_active"]
        formfield_callback = _field

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = {event_type for event_type, _ in schemas.files()}
        # A type that is gone from the code stays chosen until somebody takes it out.
        known |= set(self.instance.kinds or ())
        self.fields["kinds"].choices = [(name, name) for name in sorted(known)]  # type: ignore[attr-defined]  # a choice field's

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.username is not None:
            raise ValidationError(
                "Write an address like https://system.example/hooks, without a password."
            )
        if not settings.WEBHOOK_OUT_PRIVATE and _is_inside(parts.hostname or ""):
            raise ValidationError(
                "This address is inside the network and is not called. "
                "WEBHOOK_OUT_PRIVATE=1 would allow it."
            )
        return url


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(_Manages, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    form = EndpointForm
    list_display = ["url", "wants", "is_active", "waiting"]
    list_filter = ["is_active"]
    readonly_fields = ["shown_secret", "created_at"]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        fields = ["url", "kinds", "is_active"]
        if obj and self.has_manage_permission(request):
            fields.append("shown_secret")  # who knows it can speak in our name
        return [*fields, "created_at"] if obj else fields

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        if isinstance(db_field, URLField):
            options["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **options)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_manage_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_manage_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # what it was told is kept; it can be switched off

    @admin.display(description="events")
    def wants(self, endpoint: WebhookEndpoint) -> str:
        return ", ".join(endpoint.kinds) or "all"

    @admin.display(description="waiting")
    def waiting(self, endpoint: WebhookEndpoint) -> int:
        return endpoint.deliveries.filter(status=WebhookDelivery.Status.PENDING).count()

    @admin.display(description="secret")
    def shown_secret(self, endpoint: WebhookEndpoint) -> str:
        return format_html(
            "<details><summary>The receiver checks our signature with it</summary>"
            "<code>{}</code></details>",
            endpoint.secret,
        )


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(_Manages, ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = [
        *("created_at", "type", "order", "endpoint"),
        *("shown_status", "attempts", "last_answer", "tried_at"),
    ]
    list_filter = ["status", "type", "endpoint"]
    list_select_related = ["order", "endpoint"]
    search_fields = ["=order__number", "=message_id"]
    fields = [
        *("endpoint", "order", "type", "cause", "message_id", "status", "attempts", "last_answer"),
        *("created_at", "owed_at", "tried_at", "settled_at", "shown_payload"),
    ]
    readonly_fields = ["shown_payload"]
    actions = ["send_again"]

    @badge("status", DELIVERY_COLOURS)
    def shown_status(self, delivery: WebhookDelivery) -> tuple[str, str]:
        return delivery.status, delivery.get_status_display()

    @admin.display(description="payload")
    def shown_payload(self, delivery: WebhookDelivery) -> str:
        return pretty_json(delivery.payload)

    @admin.action(description="Send again, under the old id", permissions=["manage"])
    def send_again(self, request: HttpRequest, chosen: "QuerySet[WebhookDelivery]") -> None:
        actor = staff_actor(request.user)  # type: ignore[arg-type]  # the admin's pages have a user
        keys = list(chosen.values_list("pk", flat=True))
        sent = sum(send_again(pk, actor=actor) for pk in keys)
        told = messages.success if sent else messages.warning
        told(
            request,
            f"{sent} of {len(keys)} are tried again. The others are being tried already.",
        )


def _is_inside(host: str) -> bool:
    """As far as the text tells; each try looks at the very address that it calls."""
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
