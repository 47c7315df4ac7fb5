"""A mail owed to the shop's own people: low stock, a scheduled export."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from tasks.sweeping import SweptModel


class StaffMail(SweptModel):
    """One mail to one address for one cause. Its attachment is dropped once it was sent."""

    class Kind(models.TextChoices):
        LOW_STOCK = "low_stock", "low stock"
        EXPORT = "export", "scheduled export"

    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        SENT = "sent", "sent"
        REFUSED = "refused", "refused by the mail server"

    kind = models.CharField(max_length=20, choices=Kind.choices)
    cause = models.CharField(max_length=120)
    message_key = models.UUIDField(
        unique=True,
        default=uuid.uuid4,
        editable=False,
        help_text="Becomes the Message-ID, so that a mail sent twice is one mail to its reader.",
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    recipient = models.EmailField()
    subject = models.CharField(max_length=200)
    text = models.TextField()
    attachment_name = models.CharField(max_length=80, blank=True)
    attachment = models.BinaryField(default=bytes, editable=False)
    problem = models.CharField(
        max_length=300, blank=True, help_text="What the mail server said when it refused."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    sent_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["recipient", "kind", "cause"], name="one_staff_mail_per_cause"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "sent", "refused"]),
                name="staff_mail_status_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at"], condition=Q(status="pending"), name="staff_mail_pending"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} to {self.recipient}"

    @property
    def subject_key(self) -> str:
        """How messages, leases and dead letters name this mail."""
        return f"staff_mail:{self.pk}"
