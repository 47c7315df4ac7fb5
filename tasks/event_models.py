"""The event stream's tables: what must still leave, how far each stream is, what was handled."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class EventMessage(models.Model):
    """An event that must still be handed to the sink. Deleted once the sink has confirmed it.

    The events of one subject leave one after the other: a row is handed over only when no earlier
    row of its subject is left. A row that the sink refuses stays, with the reason, and holds up its
    own subject only.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    subject = models.CharField(max_length=80, help_text="What it happened to, e.g. order:42.")
    sequence = models.PositiveBigIntegerField(help_text="1 for the first event of the subject.")
    type = models.CharField(max_length=80)
    version = models.PositiveSmallIntegerField()
    data = models.JSONField()
    trace_id = models.CharField(max_length=64, blank=True)
    occurred_at = models.DateTimeField(db_default=Now())
    attempts = models.PositiveIntegerField(default=0, help_text="How often the sink refused it.")
    refused_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True, help_text="Why the sink refused it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject", "sequence"], name="one_event_per_sequence")
        ]
        indexes = [
            models.Index(
                fields=["occurred_at"], condition=Q(refused_at__isnull=True), name="event_waiting"
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject} #{self.sequence}"


class EventStream(models.Model):
    """How many events a subject has had. Its row lock makes the numbers follow the commits."""

    subject = models.CharField(primary_key=True, max_length=80)
    last_sequence = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return f"{self.subject} #{self.last_sequence}"


class EventReceipt(models.Model):
    """A group of consumers is done with an event. Written in the transaction that handled it."""

    class Outcome(models.TextChoices):
        HANDLED = "handled", "handled"
        DEAD = "dead", "dead letter"

    group_name = models.CharField(max_length=80)
    subject = models.CharField(max_length=80)
    sequence = models.PositiveBigIntegerField()
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["group_name", "subject", "sequence"], name="one_receipt_per_event"
            )
        ]
        indexes = [models.Index(fields=["at"], name="event_receipt_age")]

    def __str__(self) -> str:
        return f"{self.group_name}: {self.subject} #{self.sequence} {self.outcome}"
