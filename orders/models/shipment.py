"""A parcel: some or all units of an order, on their way."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orders.models.order import Order, OrderLine
from orders.states import ShipmentStatus


class Shipment(models.Model):
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="shipments")
    form_key = models.UUIDField(
        unique=True, editable=False, help_text="Drawn with the form; sent twice, it is one parcel."
    )
    carrier = models.CharField(max_length=40, blank=True)
    tracking_code = models.CharField(max_length=80, blank=True)
    status = models.CharField(
        max_length=12, choices=ShipmentStatus.choices, default=ShipmentStatus.SHIPPED
    )
    actor = models.CharField(max_length=150)
    shipped_at = models.DateTimeField(db_default=Now(), editable=False)
    delivered_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=ShipmentStatus.values), name="shipment_status_known"
            )
        ]
        indexes = [
            models.Index(
                fields=["shipped_at"],
                condition=Q(status=ShipmentStatus.SHIPPED),
                name="shipment_under_way",
            )
        ]

    def __str__(self) -> str:
        return f"parcel {self.pk} of {self.order.number}"


class ShipmentLine(models.Model):
    shipment = models.ForeignKey(Shipment, on_delete=models.PROTECT, related_name="lines")
    line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="shipment_lines")
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["shipment", "line"], name="one_shipment_line_per_line"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="shipment_line_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.line.title}"
