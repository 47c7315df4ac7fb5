"""Units of a SKU that are kept for a purpose, such as a flash sale, before an order has them."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class SetAside(models.Model):
    """``quantity`` units are kept for ``purpose``; orders have taken ``taken`` of them. What is
    left of an open one counts as held in ``StockItem``; a closed one keeps nothing."""

    sku = models.CharField(max_length=64)
    purpose = models.CharField(
        max_length=80, unique=True, help_text="What it is for; the same purpose sets aside once."
    )
    quantity = models.PositiveIntegerField()
    taken = models.PositiveIntegerField(default=0)
    actor = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "units set aside"
        constraints = [
            # The last word on selling more of a sale than was set aside for it.
            models.CheckConstraint(
                condition=Q(quantity__gte=F("taken")), name="set_aside_taken_within_quantity"
            )
        ]
        indexes = [
            models.Index(fields=["sku"], condition=Q(closed_at__isnull=True), name="set_aside_open")
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.sku} for {self.purpose}"

    @property
    def left(self) -> int:
        """Units that an order may still take."""
        return 0 if self.closed_at else self.quantity - self.taken
