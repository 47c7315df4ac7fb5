"""Dead letters for the people on call: read, redrive, discard; who did what stays written down."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextareaWidget

from tasks import dead_letters
from tasks.admin_base import ReadOnlyAdmin, badge, pretty_json
from tasks.causes import Cause
from tasks.models import DeadLetter, DeadLetterAction

# As many as one request can send before its visitor gives up; 'manage.py dead_letters' has no end.
_MOST_AT_ONCE = 1_000
_SHOWN = 10
_CAUSE_COLOURS = {
    Cause.EXHAUSTED: "warning",
    Cause.TOO_OLD: "warning",
    Cause.PERMANENT: "danger",
    Cause.POISON: "danger",
}


class RedriveForm(forms.Form):
    rate_per_second = forms.FloatField(
        label="How many a second?",
        initial=10,
        min_value=0.1,
        max_value=1_000,
        help_text="They wait in the outbox and leave one after another, so that what has just "
        "recovered is not run over.",
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
    )
    reason = forms.CharField(
        label="What was mended?",
        required=False,
        max_length=300,
        help_text="It is kept for ever, with your name.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )


class DiscardForm(forms.Form):
    reason = forms.CharField(
        label="Why is this work not to be done?",
        min_length=5,
        max_length=300,
        help_text="It is kept for ever, with your name.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )


class ActionRows(ReadOnlyAdmin, TabularInline):  # type: ignore[misc]  # unfold is untyped
    model = DeadLetterAction
    fields = ["at", "verb", "by", "reason", "sent_as"]
    readonly_fields = fields
    extra = 0
    can_delete = False
    hide_title = True
    verbose_name_plural = "What was done with it"


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["task", "subject", "shown_cause", "error_class", "last_seen", "shown_status"]
    list_filter = ["status", "cause", "error_class", "task", "dead_at"]
    list_filter_submit = False
    search_fields = ["=subject", "=trace_id", "error"]
    ordering = ["-last_seen_at"]
    actions = ["redrive", "discard"]
    actions_detail = ["redrive_one", "discard_one"]
    inlines = [ActionRows]
    readonly_fields = ["arguments", "shown_error", "same_work"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("task", "subject"),
                    ("cause", "error_class"),
                    ("attempt", "worker"),
                    ("status", "closed_by", "closed_at"),
                    "shown_error",
                    "arguments",
                    ("first_enqueued_at", "dead_at"),
                    ("last_seen_at", "times_seen"),
                    ("message_id", "trace_id"),
                    "same_work",
                ]
            },
        )
    ]

    @badge("status", {"open": "danger", "redriven": "success", "discarded": "info"})
    def shown_status(self, letter: DeadLetter) -> str:
        return letter.status

    @badge("cause", {cause: _CAUSE_COLOURS.get(cause, "info") for cause in Cause})
    def shown_cause(self, letter: DeadLetter) -> tuple[str, str]:
        return letter.cause, letter.get_cause_display()

    @admin.display(description="last seen", ordering="last_seen_at")
    def last_seen(self, letter: DeadLetter) -> str:
        return date_format(timezone.localtime(letter.last_seen_at), "Y-m-d H:i:s")

    @admin.display(description="arguments")
    def arguments(self, letter: DeadLetter) -> str:
        return pretty_json(letter.kwargs)

    @admin.display(description="error")
    def shown_error(self, letter: DeadLetter) -> str:
        return format_html(
            '<pre style="white-space:pre-wrap;overflow-wrap:anywhere">{}</pre>', letter.error
        )

    @admin.display(description="letters of the same work")
    def same_work(self, letter: DeadLetter) -> str:
        others = [*letter.later.order_by("pk"), *([letter.previous] if letter.previous else [])]
        links = (
            (
                reverse("admin:tasks_deadletter_change", args=[other.pk]),
                "earlier" if other == letter.previous else "later",
                other.pk,
                other.get_status_display(),
            )
            for other in others
        )
        return format_html_join(", ", '<a class="underline" href="{}">{}: {} ({})</a>', links) or (
            "none"
        )

    def has_redrive_permission(self, request: HttpRequest, *_: Any) -> bool:
        return request.user.has_perm("tasks.redrive_deadletter")

    def has_discard_permission(self, request: HttpRequest, *_: Any) -> bool:
        return request.user.has_perm("tasks.discard_deadletter")

    @admin.action(description="Redrive: send the messages again…", permissions=["redrive"])
    def redrive(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> HttpResponse | None:
        return self._ask(request, letters, "redrive")

    @admin.action(description="Discard: close for good…", permissions=["discard"])
    def discard(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> HttpResponse | None:
        return self._ask(request, letters, "discard")

    @action(description="Redrive…", url_path="redrive", permissions=["redrive"])  # type: ignore[untyped-decorator]  # unfold
    def redrive_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask_about_one(request, object_id, "redrive")

    @action(description="Discard…", url_path="discard", permissions=["discard"])  # type: ignore[untyped-decorator]  # unfold
    def discard_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask_about_one(request, object_id, "discard")

    def _ask_about_one(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        page = self._ask(request, DeadLetter.objects.filter(pk=object_id), verb)
        return page or redirect("admin:tasks_deadletter_change", object_id)

    def _ask(
        self, request: HttpRequest, letters: QuerySet[DeadLetter], verb: str
    ) -> HttpResponse | None:
        """The page that asks how and why; once it is answered, the deed."""
        open_ones = letters.filter(status=DeadLetter.Status.OPEN).order_by("pk")
        confirmed = request.POST.get("confirmed") == verb
        if confirmed and request.POST.get("up_to", "").isdigit():
            # What died while the page was being read was not meant.
            open_ones = open_ones.filter(pk__lte=int(request.POST["up_to"]))
        ids = list(open_ones.values_list("pk", flat=True)[:_MOST_AT_ONCE])
        if not ids:
            messages.warning(request, "None of these is open any more.")
            return None
        kind = RedriveForm if verb == "redrive" else DiscardForm
        form = kind(request.POST if confirmed else None)
        if confirmed and form.is_valid():
            self._act(request, verb, ids, form.cleaned_data)
            return None
        return self._question(request, verb, form, open_ones, ids)

    def _act(self, request: HttpRequest, verb: str, ids: list[int], given: dict[str, Any]) -> None:
        by = request.user.get_username()
        if verb == "discard":
            done = dead_letters.discard_many(ids, by=by, reason=given["reason"])
            told = f"{done.closed} discarded."
        else:
            done = dead_letters.redrive_many(ids, by=by, **given)
            told = f"{done.closed} sent again. They show in the outbox until published."
        for refusal in done.refused[:_SHOWN]:
            messages.warning(request, refusal)
        if len(done.refused) > _SHOWN:
            messages.warning(request, f"{len(done.refused) - _SHOWN} more were not touched.")
        if done.closed:
            messages.success(request, told)

    def _question(
        self,
        request: HttpRequest,
        verb: str,
        form: forms.Form,
        letters: QuerySet[DeadLetter],
        ids: list[int],
    ) -> HttpResponse:
        across = request.POST.get("select_across", "0")
        context = {
            **self.admin_site.each_context(request),
            "title": "Redrive" if verb == "redrive" else "Discard",
            "verb": verb,
            "form": form,
            "count": len(ids),
            "open": letters.count(),
            "letters": letters[:_SHOWN],
            "more": max(0, len(ids) - _SHOWN),
            "across": across,
            # Across all pages the list's own filters choose, which are in the address.
            "selected": ids[:1] if across == "1" else ids,
            "up_to": ids[-1],
            "list_url": self._list_url(request),
        }
        return TemplateResponse(request, "tasks/dead_letter_action.html", context)

    def _list_url(self, request: HttpRequest) -> str:
        url = reverse("admin:tasks_deadletter_changelist")
        query = request.META.get("QUERY_STRING", "")
        return f"{url}?{query}" if query and request.path == url else url


@admin.register(DeadLetterAction)
class DeadLetterActionAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["at", "verb", "by", "task", "subject", "reason"]
    list_filter = ["verb", "by", "task"]
    search_fields = ["=subject", "reason"]
    ordering = ["-id"]
    fields = ["at", "verb", "by", "reason", "task", "subject", "letter_id", "sent_as"]
