"""One mail owed to a shopper for one cause, and what was sent."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orders.models.order import Order
from tasks.sweeping import SweptModel


class Notification(SweptModel):
    class Kind(models.TextChoices):
        ORDER_PLACED = "order_placed", "order placed"
        ORDER_CONFIRMED = "order_confirmed", "order confirmed"
        PAYMENT_DECLINED = "payment_declined", "payment declined"
        ACTION_REQUIRED = "action_required", "action required"
        HOLD_EXPIRING = "hold_expiring", "hold expires soon"
        ORDER_EXPIRED = "order_expired", "order expired"
        ORDER_CANCELLED = "order_cancelled", "order cancelled"
        ORDER_SHIPPED = "order_shipped", "parcel shipped"
        ORDER_DELIVERED = "order_delivered", "parcel delivered"
        REFUND_SENT = "refund_sent", "refund sent"
        LATE_MONEY_KEPT = "late_money_kept", "late money, order revived"
        LATE_MONEY_REFUNDED = "late_money_refunded", "late money, sent back"
        RETURN_ANNOUNCED = "return_announced", "return announced"
        RETURN_RECEIVED = "return_received", "return received"
        ORDER_LINK = "order_link", "link to the order"

    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        SENT = "sent", "sent"
        REFUSED = "refused", "refused by the mail server"

    class Channel(models.TextChoices):
        EMAIL = "email", "e-mail"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="notifications")
    kind = models.CharField(max_length=30, choices=Kind.choices)
    channel = models.CharField(max_length=10, choices=Channel.choices, default=Channel.EMAIL)
    cause = models.CharField(
        max_length=60, default="", help_text="What it answers, when a kind can come more than once."
    )
    message_key = models.UUIDField(
        unique=True,
        default=uuid.uuid4,
        editable=False,
        help_text="Becomes the Message-ID, so that a mail sent twice is one mail to its reader.",
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    recipient = models.EmailField()
    subject = models.CharField(max_length=200, blank=True)
    problem = models.CharField(
        max_length=300, blank=True, help_text="What the mail server said when it refused."
    )
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["order", "kind", "channel", "cause"], name="one_notification_per_cause"
            )
        ]
        indexes = [
            models.Index(
                fields=["created_at"], condition=Q(status="pending"), name="notification_pending"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} to {self.recipient}"
