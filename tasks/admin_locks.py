"""The lock inspector: who holds what, and taking it away with a reason."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget

from tasks.admin_base import ReadOnlyAdmin, badge
from tasks.errors import TaskError
from tasks.lock_inspection import InspectableBackend, LeaseSeen, find, force_release
from tasks.locks.backend import LockBackend
from tasks.locks.chosen import get_backend
from tasks.locks.holder import Holder
from tasks.models import LockRelease

_MOST_ROWS = 200


class ReasonForm(forms.Form):
    """Why a lease is taken away. The lease is named by key and nonce, so a new holder of the same
    key is never hit."""

    key = forms.CharField(max_length=200, widget=forms.HiddenInput)
    nonce = forms.CharField(max_length=64, widget=forms.HiddenInput)
    reason = forms.CharField(
        min_length=5,
        max_length=300,
        help_text="It is kept for ever, with your name.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )


class Row:
    """A lease in words for people."""

    def __init__(self, lease: LeaseSeen, now: datetime) -> None:
        self.lease = lease
        self.holder = Holder.parse(lease.holder)
        self.until = now + timedelta(seconds=lease.remaining_seconds)
        since = self.holder.since
        self.since = datetime.fromtimestamp(since, UTC) if 0 < since < 1e10 else None


@admin.register(LockRelease)
class LockReleaseAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["at", "key", "shown_event", "by", "reason", "token"]
    list_filter = ["event", "by"]
    search_fields = ["=key", "reason"]
    list_select_related = False
    fields = ["at", "event", "by", "key", "token", "nonce", "holder", "reason"]

    @badge("event", {"asked": "info", "released": "warning", "gone": "danger"})
    def shown_event(self, release: LockRelease) -> tuple[str, str]:
        return release.event, release.get_event_display()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        pages = [
            path("live/", view(never_cache(require_safe(self.live))), name="tasks_locks"),
            path(
                "live/release/",
                view(never_cache(require_http_methods(["GET", "POST"])(self.release))),
                name="tasks_locks_release",
            ),
        ]
        return [*pages, *super().get_urls()]

    def may_release(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tasks.force_release_lock")

    def live(self, request: HttpRequest) -> HttpResponse:
        """All leases that are held now; ``?q=`` looks into keys and holders."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        query = request.GET.get("q", "").strip()
        backend = get_backend()
        rows: list[Row] = []
        trouble = ""
        if isinstance(backend, InspectableBackend):
            try:
                rows = _rows(backend.leases(), query)
            except TaskError as error:
                trouble = str(error)
        context = {
            "title": "Locks",
            "query": query,
            "rows": rows[:_MOST_ROWS],
            "more": max(0, len(rows) - _MOST_ROWS),
            "trouble": trouble,
            "blind": not isinstance(backend, InspectableBackend),
            "backend": type(backend).__name__,
            "may_release": self.may_release(request),
            "looked_at": timezone.now(),
        }
        return self._page(request, "tasks/locks.html", context)

    def release(self, request: HttpRequest) -> HttpResponse:
        """GET asks for the reason; only a POST with it takes the lease away."""
        if not self.may_release(request):
            raise PermissionDenied
        backend = get_backend()
        posted = request.method == "POST"
        form = ReasonForm(request.POST) if posted else ReasonForm(initial=request.GET.dict())
        given = request.POST if posted else request.GET
        try:
            lease = find(_inspectable(backend), given.get("key", ""), given.get("nonce", ""))
            if posted and form.is_valid():
                done = force_release(
                    _inspectable(backend),
                    lease,
                    by=request.user.get_username(),
                    reason=form.cleaned_data["reason"],
                )
                _tell(request, lease, done)
                return redirect("admin:tasks_locks")
        except TaskError as error:
            messages.error(request, str(error))
            return redirect("admin:tasks_locks")
        row = Row(lease, timezone.now())
        context = {"title": "Take a lease away", "row": row, "form": form}
        return self._page(request, "tasks/lock_release.html", context)

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        site = self.admin_site.each_context(request)
        return TemplateResponse(request, template, {**site, **context})


class CannotList(TaskError):
    """The lock backend in use keeps no list of its leases."""


def _inspectable(backend: LockBackend) -> InspectableBackend:
    if isinstance(backend, InspectableBackend):
        return backend
    raise CannotList(
        f"{type(backend).__name__} cannot list its leases, so none can be taken away here. "
        "A lease ends by itself within its TTL when its holder is gone."
    )


def _rows(leases: Sequence[LeaseSeen], query: str) -> list[Row]:
    now = timezone.now()
    found = [lease for lease in leases if query in lease.key or query in lease.holder]
    return [Row(lease, now) for lease in sorted(found, key=lambda lease: lease.key)]


def _tell(request: HttpRequest, lease: LeaseSeen, done: bool) -> None:
    if done:
        messages.success(
            request,
            f"{lease.key} is free. Its holder learns it at its next renewal, and its writes are "
            "refused once a newer holder has claimed the row.",
        )
    else:
        messages.warning(
            request,
            f"{lease.key} had ended by itself, or too few lock nodes answered. Look again.",
        )
