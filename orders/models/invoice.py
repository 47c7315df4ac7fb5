"""An invoice: one number, in a row without gaps, for one order."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orders.models.order import Order


class Invoice(models.Model):
    """Drawn once and never changed. What it shows is a snapshot in ``facts``."""

    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="invoice")
    number = models.PositiveIntegerField(unique=True)
    facts = models.JSONField()
    issued_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.CheckConstraint(condition=Q(number__gt=0), name="invoice_number_positive")
        ]

    def __str__(self) -> str:
        return f"invoice {self.number}"
