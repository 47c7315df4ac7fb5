"""Other systems that want to know, and what is owed to each of them."""

import base64
import secrets
import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orders.models.order import Order
from tasks.sweeping import SweptModel


def new_secret() -> str:
    """What a receiver checks our signature with: 256 random bits in Standard Webhooks' form."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


class WebhookEndpoint(models.Model):
    url = models.URLField(max_length=500)
    secret = models.CharField(max_length=60, default=new_secret, editable=False)
    kinds = models.JSONField(
        default=list, blank=True, help_text="Types of events that it wants. Empty: all."
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.url

    def wants(self, event_type: str) -> bool:
        return not self.kinds or event_type in self.kinds


class WebhookDelivery(SweptModel):
    """One event owed to one endpoint. ``attempts`` were made; the last answer is kept."""

    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        DELIVERED = "delivered", "delivered"
        GIVEN_UP = "given_up", "given up"

    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries"
    )
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="webhook_deliveries")
    message_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    type = models.CharField(max_length=60)
    cause = models.CharField(max_length=120)
    payload = models.JSONField()
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    last_answer = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    owed_at = models.DateTimeField(
        db_default=Now(),
        editable=False,
        help_text="When it fell due, or was asked for again: the tries of a day count from here.",
    )
    tried_at = models.DateTimeField(null=True, blank=True, editable=False)
    settled_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "cause"], name="one_delivery_per_endpoint_and_cause"
            )
        ]
        indexes = [
            models.Index(
                fields=["created_at"], condition=Q(status="pending"), name="webhook_out_pending"
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} to {self.endpoint}"

    @property
    def subject(self) -> str:
        """How messages, leases and dead letters name this delivery."""
        return f"webhook:{self.pk}"
