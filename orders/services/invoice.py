"""Drawing an invoice: once per order, numbers in a row without gaps."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, Func, Max

from orders.errors import NotInvoiceable
from orders.locked import honest_about_locks
from orders.locks import lock_invoice_numbers, lock_order
from orders.models import Invoice, Order
from orders.services.shop_address import shop_address
from orders.services.timeline import WORKER, record_event
from orders.states import DEDUCTED, OrderStatus, PaymentStatus

log = structlog.get_logger(__name__)


def may_invoice(order: Order) -> bool:
    """Whether an invoice may be drawn that was not drawn before. Pure."""
    return order.status == OrderStatus.PAID and order.fulfilment in DEDUCTED


def issue_invoice(order_id: int, *, actor: str = WORKER) -> Invoice:
    """The order's invoice, drawn now unless it was.

    Called with the confirmation mail, and by whoever asks for the paper first. Raises
    NotInvoiceable, Busy, Order.DoesNotExist.
    """
    if drawn := Invoice.objects.filter(order_id=order_id).first():
        return drawn
    with honest_about_locks(), transaction.atomic():
        order = lock_order(order_id)
        # A twin may have drawn it while we waited for the order.
        if drawn := Invoice.objects.filter(order_id=order_id).first():
            return drawn
        if not may_invoice(order):
            raise NotInvoiceable("The invoice can be had here once the order is paid and packed.")
        facts = invoice_facts(order)
        lock_invoice_numbers()
        newest = Invoice.objects.aggregate(number=Max("number"))["number"] or 0
        drawn = Invoice.objects.create(
            order=order,
            number=newest + 1,
            facts=facts,
            # The transaction may have begun before the one that drew the number before this.
            issued_at=Func(function="clock_timestamp", output_field=DateTimeField()),
        )
        record_event(order_id, "invoiced", f"Invoice {drawn.number} drawn.", actor=actor)
    drawn.refresh_from_db()
    log.info("invoice_drawn", order=order.subject, number=drawn.number)
    return drawn


def invoice_facts(order: Order) -> dict[str, Any]:
    """What the paper shows for ever, whatever the shop changes later."""
    payment = order.payments.filter(status=PaymentStatus.CAPTURED).first()
    vat_cents = contained_vat(order.total_cents, _vat_percent())
    return {
        "language": order.language,
        "shop": {
            "name": settings.SHOP_NAME,
            "address": list(shop_address()),
            "tax_id": settings.SHOP_TAX_ID,
        },
        "to": {
            "name": order.ship_to_name,
            "line1": order.ship_to_line1,
            "line2": order.ship_to_line2,
            "city": f"{order.ship_to_postcode} {order.ship_to_city}".strip(),
            "country": order.ship_to_country,
        },
        "order": {
            "number": order.number,
            "placed_at": order.placed_at.isoformat(),
            "paid_with": payment.card_label if payment else "",
        },
        "currency": order.currency,
        "lines": [
            {
                "sku": line.sku,
                "title": line.title,
                "quantity": line.quantity,
                "unit_price_cents": line.unit_price_cents,
                "total_cents": line.total_cents,
            }
            for line in order.lines.all()
        ],
        "total_cents": order.total_cents,
        "vat_percent": str(_vat_percent()),
        "vat_cents": vat_cents,
        "net_cents": order.total_cents - vat_cents,
    }


def contained_vat(gross_cents: int, percent: Decimal) -> int:
    """The VAT inside a gross amount, in cents, half a cent rounded up. Pure."""
    vat = gross_cents * percent / (100 + percent)
    return int(vat.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _vat_percent() -> Decimal:
    """``19.0`` → ``19``, ``5.50`` → ``5.5``"""
    percent = Decimal(str(settings.VAT_PERCENT))
    return percent.to_integral() if percent == percent.to_integral() else percent.normalize()
