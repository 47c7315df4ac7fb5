"""Units on their way back: announced by the shopper, received by the staff."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from orders.models.order import Order, OrderLine
from orders.models.refund import Refund
from orders.states import ReturnStatus
from tasks.sweeping import SweptModel


class Return(SweptModel):
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="returns")
    form_key = models.UUIDField(
        unique=True, editable=False, help_text="Drawn with the form; sent twice, it is one return."
    )
    reason = models.CharField(max_length=300, blank=True)
    status = models.CharField(
        max_length=12, choices=ReturnStatus.choices, default=ReturnStatus.ANNOUNCED
    )
    refund = models.OneToOneField(
        Refund, on_delete=models.PROTECT, null=True, blank=True, related_name="returned"
    )
    announced_at = models.DateTimeField(db_default=Now(), editable=False)
    received_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=ReturnStatus.values), name="return_status_known"
            )
        ]
        indexes = [
            models.Index(
                fields=["announced_at"],
                condition=Q(status=ReturnStatus.ANNOUNCED),
                name="return_awaited",
            )
        ]

    def __str__(self) -> str:
        return f"return {self.pk} of {self.order.number}"


class ReturnLine(models.Model):
    """``restocked`` of the ``received`` units went back on the shelf, the others were written off.
    All three are units."""

    parent = models.ForeignKey(Return, on_delete=models.PROTECT, related_name="lines")
    line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="return_lines")
    quantity = models.PositiveIntegerField()
    received = models.PositiveIntegerField(default=0)
    restocked = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["parent", "line"], name="one_return_line_per_line"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="return_line_positive"),
            models.CheckConstraint(
                condition=Q(quantity__gte=F("received"), received__gte=F("restocked")),
                name="return_line_within_quantity",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.line.title}"
