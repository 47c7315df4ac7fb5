"""An order, its lines as they were sold, and what happened to it."""

import secrets

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now

from orders.states import CLOSED_ORDERS, FulfilmentStatus, LineUnits, OrderStatus
from tasks.fencing import FencedModel
from tasks.sweeping import SweptModel

# Without 0/O, 1/I/L and vowels: easy to read out, spells no words.
_ALPHABET = "23456789BCDFGHJKMNPQRSTVWXZ"


def new_number() -> str:
    """A number for people, like ``7K2Q-9FWD``; the unique constraint refuses a repetition."""
    digits = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    return f"{digits[:4]}-{digits[4:]}"


def new_token() -> str:
    """The secret part of the order page's address: 192 random bits."""
    return secrets.token_urlsafe(24)


class Order(FencedModel, SweptModel):
    number = models.CharField(max_length=12, unique=True, default=new_number, editable=False)
    token = models.CharField(max_length=40, unique=True, default=new_token, editable=False)
    idempotency_key = models.UUIDField(unique=True, editable=False)

    email = models.EmailField()
    ship_to_name = models.CharField(max_length=120)
    ship_to_line1 = models.CharField(max_length=160)
    ship_to_line2 = models.CharField(max_length=160, blank=True)
    ship_to_postcode = models.CharField(max_length=20)
    ship_to_city = models.CharField(max_length=100)
    ship_to_country = models.CharField(max_length=2)

    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="orders",
        help_text="Whose account lists it; empty for a guest.",
    )
    language = models.CharField(
        max_length=10, default="en", help_text="The shopper's, for mails and papers."
    )

    currency = models.CharField(max_length=3)
    total_cents = models.PositiveBigIntegerField()
    status = models.CharField(
        max_length=16, choices=OrderStatus.choices, default=OrderStatus.PLACED
    )
    fulfilment = models.CharField(
        max_length=16, choices=FulfilmentStatus.choices, default=FulfilmentStatus.UNFULFILLED
    )

    trace_id = models.CharField(max_length=64, blank=True, editable=False)
    placed_at = models.DateTimeField(db_default=Now(), editable=False)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)
    hold_expires_at = models.DateTimeField(editable=False)
    paid_at = models.DateTimeField(null=True, blank=True, editable=False)
    packed_at = models.DateTimeField(null=True, blank=True, editable=False)
    cancelled_at = models.DateTimeField(null=True, blank=True, editable=False)
    erase_asked_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When its shopper asked for erasure; it happens once the order has ended.",
    )
    erased_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its personal data was erased."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(total_cents__gt=0), name="order_total_positive"),
            models.CheckConstraint(
                condition=Q(status__in=OrderStatus.values), name="order_status_known"
            ),
            models.CheckConstraint(
                condition=Q(fulfilment=FulfilmentStatus.UNFULFILLED)
                | Q(status=OrderStatus.PAID)
                | Q(status=OrderStatus.CANCELLED, fulfilment=FulfilmentStatus.PACKED),
                name="order_packed_only_when_paid",
            ),
            models.CheckConstraint(
                condition=Q(fulfilment__in=FulfilmentStatus.values),
                name="order_fulfilment_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["status", "changed_at"],
                condition=~Q(status__in=CLOSED_ORDERS) & ~Q(fulfilment=FulfilmentStatus.DELIVERED),
                name="order_unfinished",
            ),
            models.Index(fields=["email"], name="order_email"),
            # An address is one mailbox however it is spelt.
            models.Index(Lower("email"), name="order_email_any_case"),
            models.Index(
                fields=["erase_asked_at"],
                condition=Q(erase_asked_at__isnull=False, erased_at=None),
                name="order_to_erase",
            ),
            models.Index(fields=["-placed_at"], name="order_newest"),
            GinIndex(SearchVector("ship_to_name", config="simple"), name="order_name_words"),
        ]
        permissions = [
            ("ship_order", "Can ship parcels and mark them delivered"),
            ("receive_return", "Can receive and withdraw returns"),
            ("resend_mail", "Can send a mail to a shopper again"),
            ("ask_bank", "Can have the bank asked again"),
            ("cancel_order", "Can cancel orders"),
            ("refund_order", "Can refund money"),
            ("receive_stock", "Can receive stock"),
            ("correct_stock", "Can correct stock and write it off"),
            ("export_orders", "Can export orders"),
            ("manage_endpoints", "Can manage who is told of events"),
            ("see_proof", "Can see the proof of a period"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def subject(self) -> str:
        """How messages, leases and dead letters name this order."""
        return f"order:{self.pk}"


class OrderLine(models.Model):
    """A snapshot: what the shopper saw and agreed to, whatever the shop changes later."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines")
    sku = models.CharField(max_length=64)
    title = models.CharField(max_length=200)
    unit_price_cents = models.PositiveIntegerField()
    quantity = models.PositiveIntegerField()
    withdrawn = models.PositiveIntegerField(
        default=0, help_text="Units taken out of the order before they were shipped."
    )
    shipped = models.PositiveIntegerField(default=0)
    returning = models.PositiveIntegerField(
        default=0, help_text="Units announced as coming back, or back already."
    )
    returned = models.PositiveIntegerField(default=0, help_text="Units that came back.")
    refunded = models.PositiveIntegerField(
        default=0, help_text="Units whose price was refunded, or is being."
    )

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["sku"], name="line_sku")]
        constraints = [
            models.UniqueConstraint(fields=["order", "sku"], name="one_line_per_sku"),
            # The last word on shipping, returning or refunding one unit twice.
            models.CheckConstraint(
                condition=Q(quantity__gte=F("withdrawn") + F("shipped")),
                name="line_shipped_within_quantity",
            ),
            models.CheckConstraint(
                condition=Q(shipped__gte=F("returning")), name="line_returning_within_shipped"
            ),
            models.CheckConstraint(
                condition=Q(returning__gte=F("returned")), name="line_returned_within_returning"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=F("refunded")), name="line_refunded_within_quantity"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="line_quantity_positive"),
            models.CheckConstraint(condition=Q(unit_price_cents__gt=0), name="line_price_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.title}"

    @property
    def total_cents(self) -> int:
        return self.unit_price_cents * self.quantity

    @property
    def to_ship(self) -> int:
        """Units that are neither shipped nor withdrawn."""
        return self.quantity - self.withdrawn - self.shipped

    @property
    def returnable(self) -> int:
        """Shipped units that nobody has announced as coming back."""
        return self.shipped - self.returning

    @property
    def refundable(self) -> int:
        return self.quantity - self.refunded

    @property
    def line_units(self) -> LineUnits:
        return LineUnits(self.quantity, self.withdrawn, self.shipped)


class TimelineEvent(models.Model):
    """Who did what, when; written in the transaction that did it. Never changed."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="timeline")
    kind = models.CharField(max_length=40)
    text = models.CharField(max_length=300)
    actor = models.CharField(max_length=150)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = [F("id").asc()]

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"
