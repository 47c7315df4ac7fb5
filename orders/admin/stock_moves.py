"""The pages on which staff receive, correct and write off units, each with a reason."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from uuid import uuid4

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from orders.admin.desk_views import SeeOther, signed_in
from orders.admin.stock_forms import StockMoveForm
from orders.errors import Busy, OrderError
from orders.models import StockItem
from orders.services.shelf import correct_stock, receive_stock, write_off
from orders.services.timeline import staff_actor


@dataclass(frozen=True, slots=True)
class Move:
    """``permission`` without the application's name; ``hint`` says what the quantity means."""

    title: str
    button: str
    permission: str
    hint: str
    act: Callable[..., None]


RECEIVE = Move(
    "Receive units",
    "Receive",
    "receive_stock",
    "Units that were put on the shelf, 1 or more.",
    receive_stock,
)
CORRECT = Move(
    "Correct the count",
    "Correct",
    "correct_stock",
    "Units that are there and were not counted; with a minus, units that are missing.",
    correct_stock,
)
WRITE_OFF = Move(
    "Write units off",
    "Write off",
    "correct_stock",
    "Units that lie there and cannot be sold, 1 or more.",
    write_off,
)


def move_page(request: HttpRequest, site: AdminSite, move: Move, *, sku: str = "") -> HttpResponse:
    """The form, or after a POST what it did. An empty ``sku`` is asked for.

    Raises PermissionDenied.
    """
    if not request.user.has_perm(f"orders.{move.permission}"):
        raise PermissionDenied
    status = HTTPStatus.OK
    posted = request.method == "POST"
    form = StockMoveForm(
        request.POST if posted else None, initial={"form_key": uuid4(), "sku": sku}
    )
    form.fields["quantity"].help_text = move.hint
    form.fields["sku"].disabled = bool(sku)
    if posted:
        status = _do(request, form, move) if form.is_valid() else HTTPStatus.UNPROCESSABLE_ENTITY
    if status == HTTPStatus.SEE_OTHER:
        item = StockItem.objects.get(sku=form.cleaned_data["sku"])
        return SeeOther(reverse("admin:orders_stockitem_change", args=[item.pk]))
    context = {
        **site.each_context(request),
        "title": f"{move.title}: {sku}" if sku else move.title,
        "form": form,
        "move": move,
        "item": StockItem.objects.filter(sku=sku).first() if sku else None,
    }
    return TemplateResponse(request, "orders/stock_move.html", context, status=status)


def _do(request: HttpRequest, form: StockMoveForm, move: Move) -> HTTPStatus:
    """SEE_OTHER when it is done; else the form says what is wrong."""
    facts = form.cleaned_data
    try:
        move.act(
            facts["sku"],
            facts["quantity"],
            facts["reason"],
            actor=staff_actor(signed_in(request)),
            cause=f"form:{facts['form_key']}",
        )
    except (OrderError, ValueError) as error:
        form.add_error(None, str(error))
        busy = isinstance(error, Busy)
        return HTTPStatus.SERVICE_UNAVAILABLE if busy else HTTPStatus.CONFLICT
    item = StockItem.objects.get(sku=facts["sku"])
    messages.success(
        request,
        f"It is in the ledger. {item.sku}: {item.on_hand} on the shelf, {item.available} can be "
        "sold.",
    )
    return HTTPStatus.SEE_OTHER
