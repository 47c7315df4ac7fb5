"""Whether this process lives, and whether it should get traffic."""

from django.core.cache import cache
from django.db import Error as DatabaseTrouble
from django.db import connection
from django.db.models import Min
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from tasks.models import DeadLetter, OutboxMessage

# Orders are taken while the broker is away, so a long outbox is a warning, not a reason to close.
_OUTBOX_OLD_SECONDS = 60


@never_cache
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers at all."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 when orders can be taken, 503 when PostgreSQL is away. Warnings do not close the shop."""
    try:
        waiting, oldest_seconds = _outbox()
        dead = DeadLetter.objects.filter(status=DeadLetter.Status.OPEN).count()
    except DatabaseTrouble as error:
        problem = f"PostgreSQL does not answer ({type(error).__name__})."
        return JsonResponse({"status": "closed", "problems": [problem]}, status=503)
    warnings = []
    if oldest_seconds > _OUTBOX_OLD_SECONDS:
        warnings.append(
            f"The oldest of {waiting} outbox messages is due for {oldest_seconds:.0f} s. "
            "Is the relay running, and RabbitMQ?"
        )
    if dead:
        warnings.append(f"{dead} dead letters wait for a person in the admin.")
    cache.set("readyz", 1, timeout=5)
    if cache.get("readyz") is None:
        warnings.append("The cache does not answer; pages are slower.")
    return JsonResponse(
        {"status": "ready", "warnings": warnings, "outbox": {"due": waiting}}, status=200
    )


def _outbox() -> tuple[int, float]:
    due = OutboxMessage.objects.filter(not_before__lte=Now())
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        (now,) = cursor.fetchone()
    oldest = due.aggregate(oldest=Min("not_before"))["oldest"]
    return due.count(), (now - oldest).total_seconds() if oldest else 0.0
