"""What the provider told us by itself: stored before anything is done about it."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from tasks.sweeping import SweptModel


class WebhookEvent(SweptModel):
    """A hint that something happened there. The truth is asked for, so the order in which events
    come, and how often, does not matter."""

    class Status(models.TextChoices):
        RECEIVED = "received", "received"
        HANDLED = "handled", "handled"
        IGNORED = "ignored", "ignored"

    event_id = models.CharField(max_length=120, unique=True)
    type = models.CharField(max_length=80)
    payload = models.JSONField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RECEIVED)
    note = models.CharField(max_length=300, blank=True, help_text="What was made of it.")
    happened_at = models.DateTimeField(help_text="By the provider's clock.")
    received_at = models.DateTimeField(db_default=Now(), editable=False)
    handled_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["received_at"], condition=Q(status="received"), name="webhook_unhandled"
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
