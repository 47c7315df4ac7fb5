"""Circuit breakers, as the workers share them."""

from django.contrib import admin
from django.utils import timezone
from unfold.admin import ModelAdmin

from tasks.admin_base import ReadOnlyAdmin, badge
from tasks.models import BreakerState
from tasks.moments import words_until


@admin.register(BreakerState)
class BreakerStateAdmin(ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    list_display = ["name", "shown_status", "failures", "probing", "last_error", "changed_at"]
    ordering = ["name"]
    fields = [
        *("name", "status", "failures", "failing_since", "until", "probes", "successes"),
        *("last_error", "changed_at"),
    ]

    @badge("status", {"closed": "success", "open": "danger", "half_open": "warning"})
    def shown_status(self, breaker: BreakerState) -> tuple[str, str]:
        return breaker.status, breaker.get_status_display()

    @admin.display(description="next probe")
    def probing(self, breaker: BreakerState) -> str:
        if breaker.status != BreakerState.Status.OPEN or breaker.until is None:
            return "–"
        return words_until(breaker.until, timezone.now())
