"""The papers of an order for staff: its invoice, and the slips that lie in its parcels."""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import admin, messages
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from orders.admin.desk_actions import may_ship
from orders.admin.desk_views import SeeOther, order_url, signed_in
from orders.desk import order_for_desk
from orders.errors import NotInvoiceable, OrderError
from orders.models import Invoice, Order, Shipment
from orders.services import papers
from orders.services.invoice import may_invoice

_MAY_DRAW = "orders.ship_order"


@dataclass(frozen=True, slots=True)
class Paper:
    title: str
    url: str


def papers_of(order: Order, user: PermissionsMixin) -> list[Paper]:
    """What may be printed for this order; the slip of each parcel stands with the parcel."""
    found = []
    drawn = getattr(order, "invoice", None)
    if user.has_perm("orders.view_invoice") and (
        drawn or (may_invoice(order) and user.has_perm(_MAY_DRAW))
    ):
        found.append(Paper("invoice", reverse("admin:orders_order_invoice", args=[order.pk])))
    if may_ship(order):
        found.append(Paper("packing slip", reverse("admin:orders_order_slip", args=[order.pk])))
    return found


class PaperPages:
    """Mix into the ModelAdmin of orders."""

    admin_site: admin.AdminSite

    def paper_urls(self) -> list[URLPattern]:
        return [
            self._paper_url("<int:order_id>/invoice/", "invoice", _invoice, "orders.view_invoice"),
            self._paper_url("<int:order_id>/slip/", "slip", _slip),
            self._paper_url(
                "<int:order_id>/parcel-slip/<int:target_id>/", "parcel_slip", _parcel_slip
            ),
        ]

    def _paper_url(
        self,
        route: str,
        name: str,
        draw: Callable[..., HttpResponse],
        permission: str = "orders.view_shipment",
    ) -> URLPattern:
        def page(request: HttpRequest, order_id: int, **target: int) -> HttpResponse:
            user = signed_in(request)
            if not (user.has_perm("orders.view_order") and user.has_perm(permission)):
                raise PermissionDenied
            order = order_for_desk(order_id)
            if order is None:
                raise Http404("There is no such order.")
            try:
                return draw(request, order, **target)
            except OrderError as error:
                messages.error(request, str(error))
                return SeeOther(order_url(order))

        view = self.admin_site.admin_view(never_cache(require_safe(page)))
        return path(route, view, name=f"orders_order_{name}")


def _invoice(request: HttpRequest, order: Order) -> HttpResponse:
    drawn = Invoice.objects.filter(order=order).first()
    if drawn is None:
        if not signed_in(request).has_perm(_MAY_DRAW):
            raise NotInvoiceable("No invoice was drawn for this order yet.")
        drawn = papers.issue_invoice(order.pk)
    if _wants_pdf(request):
        return _pdf(papers.invoice_pdf(drawn), f"invoice-{drawn.number:06d}")
    return HttpResponse(papers.invoice_html(drawn, pdf_url="?pdf=1"))


def _slip(request: HttpRequest, order: Order) -> HttpResponse:
    return _slip_of(request, order, f"slip-{order.number}")


def _parcel_slip(request: HttpRequest, order: Order, target_id: int) -> HttpResponse:
    parcel = next((one for one in order.shipments.all() if one.pk == target_id), None)
    if parcel is None:
        raise Http404("There is no such parcel of this order.")
    return _slip_of(request, parcel, f"slip-{order.number}-{parcel.pk}")


def _slip_of(request: HttpRequest, subject: Order | Shipment, name: str) -> HttpResponse:
    if _wants_pdf(request):
        return _pdf(papers.slip_pdf(subject), name)
    return HttpResponse(papers.slip_html(subject, pdf_url="?pdf=1"))


def _wants_pdf(request: HttpRequest) -> bool:
    return request.GET.get("pdf") == "1"


def _pdf(content: bytes, name: str) -> HttpResponse:
    where = f'inline; filename="{name}.pdf"'
    return HttpResponse(
        content, content_type="application/pdf", headers={"Content-Disposition": where}
    )
