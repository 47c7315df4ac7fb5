"""Papers that go with an order: the invoice, and the slip that lies in the parcel. Each is a page
that prints well, and the same page as a PDF. In the language of the order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string

from orders.gateways.pdf import html_to_pdf
from orders.languages import speaking
from orders.models import Invoice, Order, Shipment
from orders.services.invoice import issue_invoice
from orders.services.mail_facts import street
from orders.services.shop_address import shop_address


@dataclass(frozen=True, slots=True)
class SlipLine:
    sku: str
    title: str
    quantity: int


def invoice_html(invoice: Invoice, *, order_url: str = "", pdf_url: str = "") -> str:
    """``order_url`` and ``pdf_url`` are offered on the screen, not on paper, unless empty."""
    facts: dict[str, Any] = invoice.facts
    context = {
        "invoice": invoice,
        "facts": facts,
        "placed_at": datetime.fromisoformat(facts["order"]["placed_at"]),
        "order_url": order_url,
        "pdf_url": pdf_url,
    }
    return _paper("invoice", facts["language"], context)


def invoice_pdf(invoice: Invoice) -> bytes:
    """Raises PaperUnavailable, Busy."""
    return html_to_pdf(invoice_html(invoice))


def slip_html(subject: Order | Shipment, *, pdf_url: str = "") -> str:
    """The packing slip of a parcel, or of all that an order still has to get."""
    order = subject if isinstance(subject, Order) else subject.order
    context = {
        "order": order,
        "parcel": None if isinstance(subject, Order) else subject,
        "lines": _slip_lines(subject),
        "street": street(order),
        "shop_address": shop_address(),
        "pdf_url": pdf_url,
    }
    return _paper("slip", order.language, context)


def slip_pdf(subject: Order | Shipment) -> bytes:
    """Raises PaperUnavailable, Busy."""
    return html_to_pdf(slip_html(subject))


def _slip_lines(subject: Order | Shipment) -> Sequence[SlipLine]:
    if isinstance(subject, Order):
        units = [(line, line.to_ship) for line in subject.lines.all()]
    else:
        packed = subject.lines.select_related("line")
        units = [(item.line, item.quantity) for item in packed]
    return [SlipLine(line.sku, line.title, number) for line, number in units if number]


def _paper(name: str, language: str, context: dict[str, Any]) -> str:
    with speaking(language) as spoken:
        return render_to_string(f"orders/paper/{name}.html", {**context, "language": spoken})


__all__ = [
    "invoice_html",
    "invoice_pdf",
    "issue_invoice",
    "slip_html",
    "slip_pdf",
]
