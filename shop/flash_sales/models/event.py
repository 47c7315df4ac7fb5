"""Who did what to a sale, when. Never changed."""

from django.db import models
from django.db.models import F
from django.db.models.functions import Now

from shop.flash_sales.models.sale import FlashSale


class SaleEvent(models.Model):
    sale = models.ForeignKey(FlashSale, on_delete=models.PROTECT, related_name="timeline")
    kind = models.CharField(max_length=40)
    text = models.CharField(max_length=300)
    actor = models.CharField(max_length=150)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = [F("id").asc()]

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"
