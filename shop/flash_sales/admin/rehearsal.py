"""Rehearsals as staff see them: a list, and a page that follows one until its verdict."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from unfold.admin import ModelAdmin

from shop.flash_sales.admin.rehearse_page import NEWEST
from shop.flash_sales.console import look_at
from shop.flash_sales.models import Rehearsal
from tasks.admin_base import ReadOnlyAdmin, badge

COLOURS = {
    "asked": "info",
    "running": "info",
    "held": "success",
    "broken": "danger",
    "failed": "warning",
}
# htmx stops asking when it reads this.
_STOP_ASKING = 286


@admin.register(Rehearsal)
class RehearsalAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["id", "like", "shown_status", "units", "crowd", "kill", "asked_at", "asked_by"]
    list_filter = ["status", "like"]
    list_select_related = ["like"]

    def get_urls(self) -> list[URLPattern]:
        # Before the ones for any object's page, whose address they would fit, too.
        theirs: list[URLPattern] = super().get_urls()
        pages = (
            ("<int:object_id>/change/", "change", self.page),
            ("<int:object_id>/live/", "live", self.live),
        )
        ours = [
            path(
                address,
                self.admin_site.admin_view(never_cache(require_safe(view))),
                name=f"flash_sales_rehearsal_{name}",
            )
            for address, name, view in pages
        ]
        return [*ours, *(one for one in theirs if one.name != "flash_sales_rehearsal_change")]

    def page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        context = self._context(request, object_id)
        rehearsal = context["rehearsal"]
        page = {
            **self.admin_site.each_context(request),
            **context,
            "title": f"Rehearsal {rehearsal.pk}: {rehearsal.like.title}",
        }
        return TemplateResponse(request, "flash_sales/desk/rehearsal.html", page)

    def live(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The part of the page that changes."""
        context = self._context(request, object_id)
        status = 200 if context["rehearsal"].is_open else _STOP_ASKING
        page = "flash_sales/desk/rehearsal_live.html"
        return TemplateResponse(request, page, context, status=status)

    def _context(self, request: HttpRequest, object_id: int) -> dict[str, Any]:
        if not self.has_view_permission(request):
            raise PermissionDenied
        known = Rehearsal.objects.select_related("like", "shadow")
        rehearsal = get_object_or_404(known, pk=object_id)
        others = rehearsal.like.rehearsals.exclude(pk=rehearsal.pk)
        return {
            "rehearsal": rehearsal,
            "look": look_at(rehearsal.shadow) if rehearsal.shadow else None,
            "endings": sorted(rehearsal.endings.items(), key=lambda pair: (-pair[1], pair[0])),
            "earlier": others[:NEWEST],
        }

    @badge("verdict", COLOURS)
    def shown_status(self, rehearsal: Rehearsal) -> tuple[str, str]:
        return rehearsal.status, rehearsal.get_status_display()
