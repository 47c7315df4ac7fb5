"""An order as a row of a file. What a spreadsheet gets is decided here, for page and mail alike."""

from typing import Any

from django.db.models import QuerySet
from import_export.fields import Field
from import_export.resources import ModelResource

from orders.csv_cells import safe_cell
from orders.models import Order
from orders.states import PaymentStatus, RefundStatus

_COLUMNS = (
    *("number", "placed_at", "status", "fulfilment", "currency", "total", "captured", "refunded"),
    *("email", "ship_to_name", "ship_to_country", "units", "lines", "paid_at", "packed_at"),
)


class OrderResource(ModelResource):  # type: ignore[misc]  # import_export is untyped
    """Amounts are in whole units of the currency, with a point; times are UTC in ISO 8601."""

    total = Field()
    captured = Field()
    refunded = Field()
    units = Field()
    lines = Field()

    class Meta:
        model = Order
        fields = _COLUMNS
        export_order = _COLUMNS
        chunk_size = 1_000

    def filter_export(self, queryset: "QuerySet[Order]", **_: Any) -> "QuerySet[Order]":
        return queryset.prefetch_related("lines", "payments", "refunds")

    def export_field(self, field: Any, instance: Order, **kwargs: Any) -> str:
        return safe_cell(str(super().export_field(field, instance, **kwargs)))

    def dehydrate_placed_at(self, order: Order) -> str:
        return order.placed_at.isoformat()

    def dehydrate_paid_at(self, order: Order) -> str:
        return order.paid_at.isoformat() if order.paid_at else ""

    def dehydrate_packed_at(self, order: Order) -> str:
        return order.packed_at.isoformat() if order.packed_at else ""

    def dehydrate_total(self, order: Order) -> str:
        return _amount(order.total_cents)

    def dehydrate_captured(self, order: Order) -> str:
        captured = (p for p in order.payments.all() if p.status == PaymentStatus.CAPTURED)
        return _amount(sum(payment.amount_cents for payment in captured))

    def dehydrate_refunded(self, order: Order) -> str:
        moved = (r for r in order.refunds.all() if r.status == RefundStatus.MOVED)
        return _amount(sum(refund.amount_cents for refund in moved))

    def dehydrate_units(self, order: Order) -> str:
        return str(sum(line.quantity for line in order.lines.all()))

    def dehydrate_lines(self, order: Order) -> str:
        return "; ".join(f"{line.quantity} × {line.sku}" for line in order.lines.all())


def _amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
