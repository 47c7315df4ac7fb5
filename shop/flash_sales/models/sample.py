"""What a sale looked like in each second of it, for the plots of the console."""

from django.db import models

from shop.flash_sales.models.sale import FlashSale


class SaleSample(models.Model):
    """``figures`` are those of ``shop.flash_sales.sampling``: units, line, clicks by answer."""

    sale = models.ForeignKey(FlashSale, on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    figures = models.JSONField()

    class Meta:
        ordering = ["at"]
        constraints = [models.UniqueConstraint(fields=["sale", "at"], name="one_sample_per_moment")]

    def __str__(self) -> str:
        return f"{self.sale_id} at {self.at}"
