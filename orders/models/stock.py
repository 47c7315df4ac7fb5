"""Stock per SKU, what is kept for which order line, and every movement ever made."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from orders.models.order import OrderLine
from orders.models.set_aside import SetAside
from orders.states import HoldStatus


class StockItem(models.Model):
    """``on_hand`` units lie on the shelf; ``held`` of them are kept for orders in flight."""

    sku = models.CharField(max_length=64, unique=True)
    on_hand = models.IntegerField(default=0)
    held = models.IntegerField(default=0)
    low_at = models.PositiveIntegerField(
        default=0, help_text="Tell the staff when so few units can be sold, or fewer. 0: never."
    )
    low_told_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["sku"]
        constraints = [
            # The last word on overselling: no statement, however wrong, gets past these.
            models.CheckConstraint(condition=Q(held__gte=0), name="held_not_negative"),
            models.CheckConstraint(condition=Q(on_hand__gte=F("held")), name="held_within_on_hand"),
        ]

    def __str__(self) -> str:
        return self.sku

    @property
    def available(self) -> int:
        return self.on_hand - self.held


class StockHold(models.Model):
    """Units kept for one order line until they leave the shelf or the hold ends."""

    line = models.OneToOneField(OrderLine, on_delete=models.PROTECT, related_name="hold")
    sku = models.CharField(max_length=64)
    quantity = models.PositiveIntegerField()
    set_aside = models.ForeignKey(
        SetAside,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="holds",
        help_text="Where its units came from, and go back to; empty: from what everybody may buy.",
    )
    status = models.CharField(max_length=10, choices=HoldStatus.choices, default=HoldStatus.HELD)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["sku"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="hold_quantity_positive"),
            models.CheckConstraint(
                condition=Q(status__in=HoldStatus.values), name="hold_status_known"
            ),
        ]
        indexes = [
            models.Index(fields=["sku"], condition=Q(status=HoldStatus.HELD), name="hold_open")
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.sku} {self.status}"


class StockMovement(models.Model):
    """The ledger: append-only (a trigger refuses changes). ``on_hand`` is its sum per SKU."""

    class Kind(models.TextChoices):
        RECEIVED = "received", "received"
        DEDUCTED = "deducted", "deducted"
        RETURNED = "returned", "returned"
        CORRECTED = "corrected", "corrected"
        DAMAGED = "damaged", "damaged"

    sku = models.CharField(max_length=64, db_index=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    quantity = models.IntegerField(help_text="Units added to the shelf; negative when they left.")
    line = models.ForeignKey(
        OrderLine, on_delete=models.PROTECT, null=True, blank=True, related_name="movements"
    )
    cause = models.CharField(
        max_length=80, blank=True, help_text="What moved them; the same cause moves nothing twice."
    )
    reason = models.CharField(max_length=200, blank=True)
    actor = models.CharField(max_length=150, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="received", quantity__gt=0, line__isnull=True)
                | Q(kind="deducted", quantity__lt=0, line__isnull=False)
                | Q(kind="returned", quantity__gt=0, line__isnull=False)
                | (Q(kind="corrected") & ~Q(quantity=0) & ~Q(reason="") & Q(line__isnull=True))
                | (Q(kind="damaged", quantity__lt=0) & ~Q(reason="")),
                name="movement_sign_fits_kind",
            ),
            models.UniqueConstraint(
                fields=["line"], condition=Q(kind="deducted"), name="one_deduction_per_line"
            ),
            models.UniqueConstraint(
                fields=["cause", "sku", "kind"],
                condition=~Q(cause=""),
                name="one_movement_per_cause",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity:+d} {self.sku} {self.kind}"
