"""Everything that orders hold about their shopper, to be handed to the shopper."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from orders.models import Invoice, Order


def held_about(orders: QuerySet[Order]) -> list[dict[str, Any]]:
    """Plain values, ready for JSON. Amounts are in cents, moments are in UTC."""
    wanted = orders.prefetch_related(
        "lines", "payments", "refunds", "shipments", "returns__lines", "timeline", "notifications"
    )
    found = list(wanted)
    invoices = {item.order_id: item for item in Invoice.objects.filter(order__in=found)}
    return [{**_order(order), "invoice": _invoice(invoices.get(order.pk))} for order in found]


def _order(order: Order) -> dict[str, Any]:
    return {
        **_picked(
            order,
            *("number", "email", "ship_to_name", "ship_to_line1", "ship_to_line2"),
            *("ship_to_postcode", "ship_to_city", "ship_to_country", "language", "currency"),
            *("total_cents", "status", "fulfilment", "placed_at", "paid_at", "packed_at"),
            *("cancelled_at", "erase_asked_at", "erased_at"),
        ),
        "lines": _all(order.lines.all(), "sku", "title", "unit_price_cents", "quantity"),
        "payments": _all(
            order.payments.all(),
            *("card_label", "amount_cents", "currency", "status", "decline_message"),
            *("gateway_reference", "created_at", "settled_at"),
        ),
        "refunds": _all(
            order.refunds.all(), "amount_cents", "currency", "status", "reason", "created_at"
        ),
        "parcels": _all(
            order.shipments.all(),
            *("carrier", "tracking_code", "status", "shipped_at", "delivered_at"),
        ),
        "returns": _all(order.returns.all(), "reason", "status", "announced_at", "received_at"),
        "mails": _all(
            order.notifications.all(),
            *("kind", "recipient", "status", "subject", "text", "created_at", "sent_at"),
        ),
        "history": _all(order.timeline.all(), "at", "kind", "text"),
    }


def _invoice(invoice: Invoice | None) -> dict[str, Any] | None:
    return _picked(invoice, "number", "issued_at", "facts") if invoice else None


def _all(rows: Iterable[Any], *names: str) -> list[dict[str, Any]]:
    return [_picked(row, *names) for row in rows]


def _picked(row: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
