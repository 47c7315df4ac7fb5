"""Whether this process lives, and whether it should get traffic."""

import threading
import time

from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import Error as DatabaseTrouble
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Max
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from tasks.ages import age_of
from tasks.event_models import EventMessage
from tasks.models import DeadLetter, OutboxMessage

_BROKER_TIMEOUT_SECONDS = 1.0
_KEEP_SECONDS = 5.0


@never_cache
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers at all."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 when orders can be taken. 503 when PostgreSQL is away, or older than this code.

    Warnings do not close the shop. ``checks`` says of each part whether it does its work.
    """
    try:
        if pending := PENDING_MIGRATIONS():
            problem = (
                f"{pending} migrations are not applied: the database is older than this code. "
                "Run 'manage.py migrate'."
            )
            return _closed(problem, {"database": True, "migrations": False})
        waiting, oldest_seconds = _outbox()
        event_seconds = _oldest_event()
        dead = DeadLetter.objects.filter(status=DeadLetter.Status.OPEN).count()
    except DatabaseTrouble as error:
        problem = f"PostgreSQL does not answer ({type(error).__name__})."
        return _closed(problem, {"database": False})
    checks = {
        "database": True,
        "migrations": True,
        "cache": _cache_answers(),
        "broker": BROKER_ANSWERS(),
        "outbox": oldest_seconds <= settings.OUTBOX_OLD_SECONDS,
        "events": event_seconds <= settings.OUTBOX_OLD_SECONDS,
    }
    # Orders are taken while the broker is away: what waits is no reason to close.
    warnings = []
    if not checks["outbox"]:
        warnings.append(
            f"The oldest of {waiting} outbox messages is due for {oldest_seconds:.0f} s. "
            "Is the relay running, and RabbitMQ?"
        )
    if not checks["events"]:
        warnings.append(
            f"The oldest event waits for {event_seconds:.0f} s to leave. Is the event relay "
            "running, and its sink? Has it refused an event (admin, Events)?"
        )
    if not checks["broker"]:
        warnings.append("RabbitMQ does not answer. Orders are taken and wait in the outbox.")
    if not checks["cache"]:
        warnings.append("The cache does not answer; pages are slower.")
    if dead:
        warnings.append(f"{dead} dead letters wait for a person in the admin.")
    return JsonResponse(
        {
            "status": "ready",
            "checks": checks,
            "warnings": warnings,
            "outbox": {"due": waiting, "oldest_seconds": round(oldest_seconds, 1)},
        }
    )


def _closed(problem: str, checks: dict[str, bool]) -> HttpResponse:
    return JsonResponse({"status": "closed", "checks": checks, "problems": [problem]}, status=503)


def _outbox() -> tuple[int, float]:
    """(rows that are due, age of the oldest in seconds) by the database's clock."""
    due = OutboxMessage.objects.filter(not_before__lte=Now())
    row = due.aggregate(number=Count("pk"), oldest=Max(age_of("not_before")))
    return row["number"], row["oldest"] or 0.0


def _oldest_event() -> float:
    """Seconds by the database's clock; 0 when all have left."""
    row = EventMessage.objects.aggregate(oldest=Max(age_of("occurred_at")))
    return row["oldest"] or 0.0


def _cache_answers() -> bool:
    cache.set("readyz", 1, timeout=5)
    return cache.get("readyz") is not None


class BrokerAnswers:
    """Whether RabbitMQ lets us in; asked at most every few seconds and for a second or two."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._answer = False

    def __call__(self) -> bool:
        with self._lock:
            if time.monotonic() - self._asked_at > _KEEP_SECONDS:
                self._answer = self._ask()
                self._asked_at = time.monotonic()
            return self._answer

    @staticmethod
    def _ask() -> bool:
        link = current_app.connection_for_write(connect_timeout=_BROKER_TIMEOUT_SECONDS)
        try:
            link.connect()
        except Exception:  # noqa: BLE001  # whatever it is, it is not there
            return False
        finally:
            # collect, not release: a broker that does not answer must not hold us in a farewell
            link.collect(socket_timeout=_BROKER_TIMEOUT_SECONDS)
        return True


class PendingMigrations:
    """How many migrations of this code the database has not had. Once none, none for ever: a
    process's code does not change, and reading it costs some milliseconds."""

    def __init__(self) -> None:
        self._none = False

    def __call__(self) -> int:
        """Raises django.db.Error."""
        if self._none:
            return 0
        executor = MigrationExecutor(connection)
        pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        self._none = not pending
        return pending


BROKER_ANSWERS = BrokerAnswers()
PENDING_MIGRATIONS = PendingMigrations()
