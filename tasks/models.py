"""The platform's tables: what must still be sent, what ended badly, who holds a lease."""

import uuid

from django.db import models
from django.db.models.functions import Now

from tasks.causes import Cause
from tasks.event_models import EventMessage, EventReceipt, EventStream

__all__ = [
    "BreakerState",
    "DeadLetter",
    "DeadLetterAction",
    "EventMessage",
    "EventReceipt",
    "EventStream",
    "LockFence",
    "LockRelease",
    "OutboxMessage",
]


class OutboxMessage(models.Model):
    """A task that must still be handed to the broker. The row is deleted once that is confirmed.

    ``id`` is also the message id and the Celery task id, so a message sent twice is recognisable.
    """

    DEDUPE_KEY_LENGTH = 200

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    task = models.CharField(max_length=120)
    kwargs = models.JSONField(default=dict)
    schema_version = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="Which form the arguments have, from 1."
    )
    subject = models.CharField(
        max_length=80, blank=True, help_text="What the message is about, e.g. order:42."
    )
    dedupe_key = models.CharField(
        max_length=DEDUPE_KEY_LENGTH,
        blank=True,
        db_default="",
        help_text="While this waits, a second message with the same key is this one.",
    )
    attempt = models.PositiveIntegerField(default=1, help_text="1 for the first try.")
    reason = models.CharField(
        max_length=300, blank=True, help_text="Why the attempt before this one did not finish."
    )
    trace_id = models.CharField(max_length=64, blank=True)
    first_enqueued_at = models.DateTimeField(db_default=Now())
    enqueued_at = models.DateTimeField(db_default=Now())
    not_before = models.DateTimeField(db_default=Now())

    class Meta:
        # The id makes the order total, so that a relay can go on behind what it has just deleted.
        indexes = [models.Index(fields=["not_before", "id"], name="outbox_due")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(attempt__gte=1), name="outbox_attempt_from_1"
            ),
            models.CheckConstraint(
                condition=models.Q(schema_version__gte=1), name="outbox_schema_version_from_1"
            ),
            models.UniqueConstraint(
                fields=["dedupe_key"],
                condition=~models.Q(dedupe_key=""),
                name="outbox_one_waiting_per_key",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.subject} (attempt {self.attempt})"


class DeadLetter(models.Model):
    """A message that ended badly, kept with its cause until a person redrives or discards it."""

    class Status(models.TextChoices):
        OPEN = "open", "open"
        REDRIVEN = "redriven", "redriven"
        DISCARDED = "discarded", "discarded"

    message_id = models.UUIDField(unique=True)
    task = models.CharField(max_length=120)
    kwargs = models.JSONField(default=dict)
    subject = models.CharField(max_length=80, blank=True)
    attempt = models.PositiveIntegerField()
    schema_version = models.PositiveIntegerField(db_default=1)
    cause = models.CharField(max_length=16, choices=Cause.choices, db_default=Cause.PERMANENT)
    error_class = models.CharField(max_length=120)
    error = models.TextField()
    worker = models.CharField(max_length=120, blank=True)
    trace_id = models.CharField(max_length=64, blank=True)
    first_enqueued_at = models.DateTimeField(null=True, blank=True)
    dead_at = models.DateTimeField("first seen", db_default=Now())
    last_seen_at = models.DateTimeField("last seen", db_default=Now())
    times_seen = models.PositiveIntegerField(
        db_default=1, help_text="More than once: the relay or the broker delivered it twice."
    )
    previous = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="later",
        help_text="The closed letter of the same work, when a redrive ended badly again.",
    )
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.OPEN)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=150, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["status", "dead_at"], name="dead_letter_open"),
            models.Index(fields=["subject"], name="dead_letter_subject"),
        ]
        permissions = [
            ("redrive_deadletter", "Can send a dead letter again"),
            ("discard_deadletter", "Can close a dead letter for good"),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.subject}: {self.error_class}"


class DeadLetterAction(models.Model):
    """What a person did with a dead letter. Never changed, and it outlives the letter."""

    class Verb(models.TextChoices):
        REDRIVEN = "redriven", "sent again"
        DISCARDED = "discarded", "discarded"

    letter = models.ForeignKey(
        DeadLetter, on_delete=models.DO_NOTHING, db_constraint=False, related_name="actions"
    )
    at = models.DateTimeField(db_default=Now())
    verb = models.CharField(max_length=10, choices=Verb.choices)
    by = models.CharField(max_length=150, help_text="Who was signed in.")
    reason = models.CharField(max_length=300, blank=True)
    task = models.CharField(max_length=120)
    subject = models.CharField(max_length=80, blank=True)
    sent_as = models.UUIDField(null=True, help_text="The outbox message of a redrive.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_verb_display()} by {self.by}"


class BreakerState(models.Model):
    """One circuit breaker as all workers share it. Written by ``tasks.breaker_store`` alone.

    No row: closed, and nothing has failed.
    """

    class Status(models.TextChoices):
        CLOSED = "closed", "closed"
        OPEN = "open", "open"
        HALF_OPEN = "half_open", "half open"

    name = models.CharField(max_length=80, primary_key=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.CLOSED)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    until = models.DateTimeField(
        null=True, help_text="Open: when probes begin. Half open: when lost probes are given up."
    )
    probes = models.PositiveIntegerField(default=0)
    successes = models.PositiveIntegerField(default=0)
    generation = models.PositiveIntegerField(default=0)
    revision = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "breaker"

    def __str__(self) -> str:
        return f"{self.name} ({self.get_status_display()})"


class LockFence(models.Model):
    """The last lease of one key and its fencing token. Written by ``tasks.locks.database`` alone,
    over a connection of its own, never inside a transaction of the application."""

    name = models.TextField(primary_key=True, help_text="Prefix and key, e.g. soldonce:order:42.")
    owner = models.CharField(max_length=64, blank=True, help_text="Empty: given back.")
    holder = models.CharField(max_length=300, blank=True, db_default="")
    token = models.BigIntegerField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} (token {self.token})"


class LockRelease(models.Model):
    """Somebody took a lease from its holder: asked for, and what came of it. Never changed."""

    class Event(models.TextChoices):
        ASKED = "asked", "asked for"
        RELEASED = "released", "released"
        GONE = "gone", "was gone already, or too few nodes answered"

    at = models.DateTimeField(db_default=Now())
    event = models.CharField(max_length=10, choices=Event.choices)
    by = models.CharField(max_length=150, help_text="Who was signed in.")
    key = models.CharField(max_length=200)
    nonce = models.CharField(max_length=64)
    token = models.BigIntegerField()
    holder = models.CharField(max_length=300, blank=True)
    reason = models.CharField(max_length=300)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["key"], name="lock_release_key")]
        permissions = [("force_release_lock", "Can take a lease from its holder")]

    def __str__(self) -> str:
        return f"{self.key} ({self.get_event_display()})"
