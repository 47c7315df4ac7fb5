"""What was sold on a day. Kept by a consumer of the event stream, for dashboards."""

from django.db import models


class SalesDay(models.Model):
    """One SKU on one day of the shop's time zone. A copy: orders and payments decide, not this."""

    day = models.DateField()
    sku = models.CharField(max_length=64)
    currency = models.CharField(max_length=3)
    orders = models.PositiveIntegerField(default=0)
    units = models.PositiveIntegerField(default=0)
    amount_cents = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["-day", "sku"]
        verbose_name_plural = "sales days"
        constraints = [
            models.UniqueConstraint(
                fields=["day", "sku", "currency"], name="one_row_per_day_and_sku"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.sku}"
