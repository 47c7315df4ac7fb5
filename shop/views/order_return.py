"""Sending things back: the shopper says what comes, and may call it off again."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from orders import selectors
from orders.errors import Busy, NotReturnable
from orders.services.returns import announce_return, may_return, withdraw_return
from orders.services.timeline import SHOPPER
from shop.http import SeeOther, read_uuid
from shop.return_form import ReturnForm
from shop.views import errors
from shop.views.order_page import page, secret, unindexed

if TYPE_CHECKING:
    from orders.models import Order

_TOO_LATE = (
    "Nothing of this order can be sent back now, so nothing was announced. This page shows how it "
    "stands; write to us if something is wrong."
)


@secret
@require_http_methods(["GET", "HEAD", "POST"])
def announce(request: HttpRequest, token: str) -> HttpResponse:
    order = selectors.order_by_token(token)
    if order is None:
        return errors.order_not_found(request)
    return _submit(request, order) if request.method == "POST" else _draw(request, order)


def _draw(
    request: HttpRequest,
    order: Order,
    form: ReturnForm | None = None,
    *,
    status: int = 200,
    alert: str = "",
) -> HttpResponse:
    if not may_return(order):
        return SeeOther(reverse("shop:order", args=[order.token]))
    key = read_uuid(request.POST.get("form_key")) or uuid4()
    form = form or ReturnForm(order)
    context = {"order": order, "form": form, "form_key": key, "alert": alert}
    return unindexed(render(request, "shop/order_return.html", context, status=status))


def _submit(request: HttpRequest, order: Order) -> HttpResponse:
    key = read_uuid(request.POST.get("form_key"))
    if key is None:
        stale = "This page was out of date, so nothing was announced. Please choose again."
        return _draw(request, order, status=400, alert=stale)
    if any(one.form_key == key for one in order.returns.all()):
        # The second click: the first has used up the units that this form is checked against.
        return _landed(order)
    if not may_return(order):
        return page(request, order.token, status=409, alert=_TOO_LATE)
    form = ReturnForm(order, request.POST)
    if not form.is_valid():
        return _draw(request, order, form, status=422)
    try:
        announce_return(
            order.pk, form_key=key, lines=form.lines, reason=form.reason_given, actor=SHOPPER
        )
    except NotReturnable as error:
        return page(request, order.token, status=409, alert=str(error))
    except Busy as error:
        return _draw(request, order, form, status=503, alert=str(error))
    return _landed(order)


@secret
@require_POST
def withdraw(request: HttpRequest, token: str, return_id: int) -> HttpResponse:
    """Call a return off. A second time, or when the parcel has come, nothing happens, and the page
    says how it stands."""
    order = selectors.order_by_token(token)
    if order is None or not any(one.pk == return_id for one in order.returns.all()):
        return errors.order_not_found(request)
    try:
        withdraw_return(return_id, actor=SHOPPER)
    except Busy as error:
        return page(request, token, status=503, alert=str(error))
    return _landed(order)


def _landed(order: Order) -> HttpResponse:
    return SeeOther(reverse("shop:order", args=[order.token]) + "#returns")
