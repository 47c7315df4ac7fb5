"""Money on its way back: what was asked for, and what the provider made of it."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orders.models.order import Order, OrderLine
from orders.models.payment import Payment
from orders.states import OPEN_REFUNDS, RefundStatus
from tasks.sweeping import SweptModel


class Refund(SweptModel):
    """One movement of money back, under one committed key. Its amount is reserved on the payment
    from the moment of the request, so that two refunds can never exceed the capture."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="refunds")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    idempotency_key = models.UUIDField(
        unique=True,
        default=uuid.uuid4,
        editable=False,
        help_text="Sent to the provider with every try, so that asking twice refunds once.",
    )
    cause = models.CharField(
        max_length=80,
        unique=True,
        help_text="What asked for it (a form's key, a cancellation); the same cause is one refund.",
    )
    amount_cents = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=200)
    actor = models.CharField(max_length=150)
    status = models.CharField(
        max_length=12, choices=RefundStatus.choices, default=RefundStatus.REQUESTED
    )
    gateway_reference = models.CharField(max_length=120, blank=True)
    problem = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    settled_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount_cents__gt=0), name="refund_positive"),
            models.CheckConstraint(
                condition=Q(status__in=RefundStatus.values), name="refund_status_known"
            ),
            models.UniqueConstraint(
                fields=["gateway_reference"],
                condition=~Q(gateway_reference=""),
                name="one_refund_per_gateway_reference",
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at"], condition=Q(status__in=OPEN_REFUNDS), name="refund_open"
            )
        ]

    def __str__(self) -> str:
        return f"refund {self.pk}, {self.get_status_display()}"


class RefundLine(models.Model):
    """Units whose price a refund gives back."""

    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, related_name="lines")
    line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="refund_lines")
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["refund", "line"], name="one_refund_line_per_line"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="refund_line_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.line.title}"
