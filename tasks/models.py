"""The platform's tables: what must still be sent, what ended badly, who holds a lease."""

import uuid

from django.db import models
from django.db.models.functions import Now

from tasks.event_models import EventMessage, EventReceipt, EventStream

__all__ = [
    "DeadLetter",
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

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    task = models.CharField(max_length=120)
    kwargs = models.JSONField(default=dict)
    subject = models.CharField(
        max_length=80, blank=True, help_text="What the message is about, e.g. order:42."
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
        indexes = [models.Index(fields=["not_before"], name="outbox_due")]
        constraints = [
            models.CheckConstraint(condition=models.Q(attempt__gte=1), name="outbox_attempt_from_1")
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.subject} (attempt {self.attempt})"


class DeadLetter(models.Model):
    """A message that ended badly, kept with its cause until a person redrives it."""

    class Status(models.TextChoices):
        OPEN = "open", "open"
        REDRIVEN = "redriven", "redriven"

    message_id = models.UUIDField(unique=True)
    task = models.CharField(max_length=120)
    kwargs = models.JSONField(default=dict)
    subject = models.CharField(max_length=80, blank=True)
    attempt = models.PositiveIntegerField()
    error_class = models.CharField(max_length=120)
    error = models.TextField()
    worker = models.CharField(max_length=120, blank=True)
    trace_id = models.CharField(max_length=64, blank=True)
    first_enqueued_at = models.DateTimeField(null=True, blank=True)
    dead_at = models.DateTimeField(db_default=Now())
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.OPEN)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=150, blank=True)

    class Meta:
        indexes = [models.Index(fields=["status", "dead_at"], name="dead_letter_open")]

    def __str__(self) -> str:
        return f"{self.task} {self.subject}: {self.error_class}"


class LockFence(models.Model):
    """The last lease of one key and its fencing token. Written by ``tasks.locks.database`` alone,
    over a connection of its own, never inside a transaction of the application."""

    name = models.TextField(primary_key=True, help_text="Prefix and key, e.g. soldonce:order:42.")
    owner = models.CharField(max_length=64, blank=True, help_text="Empty: given back.")
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
