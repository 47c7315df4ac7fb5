"""One attempt to take the money for an order with one card, under one committed key."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orders.models.order import Order
from orders.states import UNSETTLED_PAYMENTS, PaymentStatus


class Payment(models.Model):
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payments")
    idempotency_key = models.UUIDField(
        unique=True,
        default=uuid.uuid4,
        editable=False,
        help_text="Sent to the provider with every try, so that asking twice charges once.",
    )
    # The key that the shopper's form was drawn with; a second submit finds the first payment.
    form_key = models.UUIDField(unique=True, editable=False)
    amount_cents = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    payment_method = models.CharField(max_length=120)
    card_brand = models.CharField(max_length=20)
    card_last4 = models.CharField(max_length=4)
    status = models.CharField(
        max_length=12, choices=PaymentStatus.choices, default=PaymentStatus.PENDING
    )
    gateway_reference = models.CharField(max_length=120, blank=True)
    decline_code = models.CharField(max_length=60, blank=True)
    decline_message = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    settled_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=PaymentStatus.values), name="payment_status_known"
            ),
            models.CheckConstraint(condition=Q(amount_cents__gt=0), name="payment_positive"),
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(status=PaymentStatus.CAPTURED),
                name="one_captured_payment_per_order",
            ),
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(status__in=UNSETTLED_PAYMENTS),
                name="one_open_payment_per_order",
            ),
            models.UniqueConstraint(
                fields=["gateway_reference"],
                condition=~Q(gateway_reference=""),
                name="one_payment_per_gateway_reference",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.card_label}, {self.get_status_display()}"

    @property
    def card_label(self) -> str:
        return f"{self.card_brand.capitalize()} ·· {self.card_last4}"
