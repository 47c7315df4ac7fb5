"""One attempt to take the money for an order with one card, under one committed key."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from orders.models.order import Order
from orders.states import UNSETTLED_PAYMENTS, PaymentStatus
from tasks.sweeping import SweptModel


class Payment(SweptModel):
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
        max_length=16, choices=PaymentStatus.choices, default=PaymentStatus.PENDING
    )
    asked_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When the provider was first asked; until then no money can have moved.",
    )
    refund_reserved_cents = models.PositiveBigIntegerField(
        default=0,
        editable=False,
        help_text="The sum of its refunds that were requested or moved. Never more than captured.",
    )
    redirect_url = models.URLField(
        max_length=500, blank=True, help_text="Where the bank wants to see the shopper."
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
            # The last word on refunding more than came.
            models.CheckConstraint(
                condition=Q(refund_reserved_cents=0)
                | Q(status=PaymentStatus.CAPTURED, refund_reserved_cents__lte=F("amount_cents")),
                name="payment_refunds_within_capture",
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
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=Q(status__in=UNSETTLED_PAYMENTS),
                name="payment_unsettled",
            ),
            models.Index(fields=["card_last4"], name="payment_card"),
        ]

    def __str__(self) -> str:
        return f"{self.card_label}, {self.get_status_display()}"

    @property
    def card_label(self) -> str:
        return f"{self.card_brand.capitalize()} ·· {self.card_last4}"

    @property
    def refundable_cents(self) -> int:
        captured = self.status == PaymentStatus.CAPTURED
        return self.amount_cents - self.refund_reserved_cents if captured else 0
