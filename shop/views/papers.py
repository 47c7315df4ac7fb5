"""The shopper's invoice, behind the order's secret link."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from orders import selectors
from orders.errors import NotInvoiceable, OrderError
from orders.services import papers
from orders.services.timeline import SHOPPER
from shop.views import errors

_secret = cache_control(private=True, no_store=True)


@_secret
@require_safe
def invoice(request: HttpRequest, token: str) -> HttpResponse:
    """Asking for it draws it, unless that has happened: once, whoever asks how often."""
    order = selectors.order_by_token(token)
    if order is None:
        return errors.order_not_found(request)
    try:
        drawn = papers.issue_invoice(order.pk, actor=SHOPPER)
    except OrderError as error:
        return _not_now(request, token, error)
    page = papers.invoice_html(
        drawn,
        order_url=reverse("shop:order", args=[token]),
        pdf_url=reverse("shop:order-invoice-pdf", args=[token]),
    )
    return _unindexed(HttpResponse(page))


@_secret
@require_safe
def invoice_pdf(request: HttpRequest, token: str) -> HttpResponse:
    order = selectors.order_by_token(token)
    if order is None:
        return errors.order_not_found(request)
    try:
        drawn = papers.issue_invoice(order.pk, actor=SHOPPER)
        content = papers.invoice_pdf(drawn)
    except OrderError as error:
        return _not_now(request, token, error)
    name = f'inline; filename="invoice-{drawn.number:06d}.pdf"'
    return _unindexed(
        HttpResponse(content, content_type="application/pdf", headers={"Content-Disposition": name})
    )


def _not_now(request: HttpRequest, token: str, error: OrderError) -> HttpResponse:
    due = not isinstance(error, NotInvoiceable)
    context = {"token": token, "reason": str(error), "due": due}
    status = 503 if due else 409
    return _unindexed(render(request, "shop/invoice_not_now.html", context, status=status))


def _unindexed(response: HttpResponse) -> HttpResponse:
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
