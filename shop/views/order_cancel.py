"""Cancelling an order: a page that says what will happen, and the button that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from orders import selectors
from orders.errors import Busy, NotCancellable
from orders.services.cancellation import cancel_order, may_cancel
from orders.services.timeline import SHOPPER
from orders.states import OrderStatus
from orders.story.facts import look_at
from orders.story.money_words import promise
from shop.http import SeeOther
from shop.views import errors
from shop.views.order_page import page, secret, unindexed

if TYPE_CHECKING:
    from orders.models import Order

_REASON = "The shopper asked for it on the order's page."


@secret
@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: HttpRequest, token: str) -> HttpResponse:
    order = selectors.order_by_token(token)
    if order is None:
        return errors.order_not_found(request)
    return _submit(request, order) if request.method == "POST" else _draw(request, order)


def _draw(
    request: HttpRequest, order: Order, *, status: int = 200, alert: str = ""
) -> HttpResponse:
    if not may_cancel(order):
        return SeeOther(reverse("shop:order", args=[order.token]))
    context = {
        "order": order,
        "promise": promise(look_at(order, timezone.now())),
        "alert": alert,
    }
    return unindexed(render(request, "shop/order_cancel.html", context, status=status))


def _submit(request: HttpRequest, order: Order) -> HttpResponse:
    now = promise(look_at(order, timezone.now()))
    # The form carries what it promised about the money; an order that is cancelled already is the
    # second click of the same button.
    if order.status != OrderStatus.CANCELLED and request.POST.get("promise") != now:
        changed = (
            "Meanwhile something has changed, so nothing was cancelled yet. Please read again."
        )
        if may_cancel(order):
            return _draw(request, order, status=409, alert=changed)
    try:
        cancel_order(order.pk, actor=SHOPPER, reason=_REASON)
    except NotCancellable as error:
        return page(request, order.token, status=409, alert=str(error))
    except Busy as error:
        return _draw(request, order, status=503, alert=str(error))
    return SeeOther(reverse("shop:order", args=[order.token]))
