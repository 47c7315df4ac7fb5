"""The platform's own gauges out of the database: outbox, dead letters, breakers, events."""

from collections.abc import Iterable

from django.db.models import Count, Max, Q
from django.db.models.functions import Now
from prometheus_client.metrics_core import Metric

from tasks.ages import age_of
from tasks.breaker_store import breaker_states
from tasks.event_models import EventMessage
from tasks.metrics.sources import gauge, register
from tasks.models import DeadLetter, OutboxMessage

# More classes than these are added up as 'other': an error's class is named by whoever raises it.
_MOST_CLASSES = 20


def outbox() -> Iterable[Metric]:
    """Both ages and counts by the database's clock, which is also what the relay compares with."""
    due = Q(not_before__lte=Now())
    row = OutboxMessage.objects.aggregate(
        due=Count("pk", filter=due),
        later=Count("pk", filter=~due),
        oldest=Max(age_of("not_before"), filter=due),
    )
    yield gauge(
        "outbox_messages",
        "Rows of the outbox: due now, or later (retries that wait).",
        ("state",),
        {("due",): row["due"], ("later",): row["later"]},
    )
    yield gauge(
        "outbox_oldest_due_seconds",
        "How long the oldest due row has waited for the relay.",
        (),
        {(): row["oldest"] or 0.0},
    )


def dead_letters() -> Iterable[Metric]:
    rows = (
        DeadLetter.objects.filter(status=DeadLetter.Status.OPEN)
        .values_list("error_class")
        .annotate(number=Count("pk"))
        .order_by("-number", "error_class")
    )
    open_letters: dict[tuple[str, ...], float] = {}
    for place, (error_class, number) in enumerate(rows):
        label = error_class if place < _MOST_CLASSES else "other"
        open_letters[label,] = open_letters.get((label,), 0) + number
    yield gauge(
        "dead_letters_open",
        "Dead letters that wait for a person, by class of error.",
        ("error_class",),
        open_letters or {("none",): 0.0},
    )


def breakers() -> Iterable[Metric]:
    """Those that ever counted a failure: one that never did is closed and has no row."""
    seen: dict[tuple[str, ...], float] = {}
    for one in breaker_states():
        seen[one.name, one.status.value] = 1.0
    yield gauge(
        "breaker_state",
        "1 for the state that a breaker is in.",
        ("name", "state"),
        seen or {("none", "closed"): 0.0},
    )


def events() -> Iterable[Metric]:
    """Events that must still leave. A subject with a refused one is held up by it."""
    refused = Q(refused_at__isnull=False)
    row = EventMessage.objects.aggregate(
        waiting=Count("pk", filter=~refused),
        refused=Count("pk", filter=refused),
        oldest=Max(age_of("occurred_at")),
    )
    yield gauge(
        "event_messages",
        "Events that have not left: waiting, or refused by the sink.",
        ("state",),
        {("waiting",): row["waiting"], ("refused",): row["refused"]},
    )
    yield gauge(
        "event_oldest_seconds",
        "How long ago the oldest event happened that has not left.",
        (),
        {(): max(0.0, row["oldest"] or 0.0)},
    )


register("events", events)
register("outbox", outbox)
register("breakers", breakers)
register("dead_letters", dead_letters)
