"""How far the outbox is behind: the one figure that tells a relay or broker in trouble."""

from dataclasses import dataclass

from django.db.models import Count, DurationField, ExpressionWrapper, Min
from django.db.models.functions import Now

from tasks.models import OutboxMessage


@dataclass(frozen=True, slots=True)
class Backlog:
    """``due`` messages wait, the oldest of them for so many seconds; 0.0 when none waits."""

    due: int
    oldest_seconds: float


def outbox_backlog() -> Backlog:
    """One cheap query by the database's clock. Retries that are not due yet do not count."""
    waited = ExpressionWrapper(Now() - Min("not_before"), output_field=DurationField())
    found = OutboxMessage.objects.filter(not_before__lte=Now()).aggregate(
        due=Count("pk"), oldest=waited
    )
    return Backlog(found["due"], found["oldest"].total_seconds() if found["due"] else 0.0)
