"""The order page behind its secret link: what happens to the order, in plain words."""

import hashlib
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from orders import selectors
from orders.errors import Busy, NotPayable
from orders.selectors import Progress
from orders.services.cards import test_cards
from orders.services.payment import retry_payment
from shop.countries import NAMES
from shop.forms import CardForm
from shop.http import SeeOther, read_uuid
from shop.views import errors

# The address is the permission: no shared cache, no history cache, no search engine may keep it.
_secret = cache_control(private=True, no_store=True)


@_secret
@require_safe
def show(request: HttpRequest, token: str) -> HttpResponse:
    return _page(request, token)


@_secret
@require_safe
def progress(request: HttpRequest, token: str) -> HttpResponse:
    """The part of the page that moves. 204 while it is what `state` says the page shows: nothing is
    swapped then, and a screen reader is not interrupted."""
    order = selectors.order_by_token(token)
    if order is None:
        return errors.order_not_found(request)
    now = selectors.progress(order)
    if request.GET.get("state") == _state(now):
        return _unindexed(HttpResponse(status=204))
    context = {"order": order, "progress": now, **_card_context(now, CardForm())}
    return _unindexed(render(request, "shop/parts/progress_answer.html", context))


@_secret
@sensitive_post_parameters("card_number", "card_expiry", "card_cvc")
@require_POST
def retry_card(request: HttpRequest, token: str) -> HttpResponse:
    """Another card after a decline. The form's own key makes a double click one payment."""
    order = selectors.order_by_token(token)
    if order is None:
        return errors.order_not_found(request)
    key = read_uuid(request.POST.get("idempotency_key"))
    form = CardForm(request.POST)
    if key is None:
        stale = "This page was out of date, so nothing was charged. Please enter the card again."
        return _page(request, token, form=form, status=400, alert=stale)
    if not form.is_valid():
        return _page(request, token, form=form, status=422)
    try:
        retry_payment(order.pk, form.card, key)
    except NotPayable as error:
        return _page(request, token, status=409, alert=str(error))
    except Busy as error:
        return _page(request, token, form=form, status=503, alert=str(error))
    return SeeOther(reverse("shop:order", args=[token]))


def _page(
    request: HttpRequest,
    token: str,
    *,
    form: CardForm | None = None,
    status: int = 200,
    alert: str = "",
) -> HttpResponse:
    order = selectors.order_by_token(token)
    if order is None:
        return errors.order_not_found(request)
    now = selectors.progress(order)
    context = {
        "order": order,
        "country": NAMES.get(order.ship_to_country, order.ship_to_country),
        "progress": now,
        "alert": alert,
        **_card_context(now, form or CardForm()),
    }
    return _unindexed(render(request, "shop/order.html", context, status=status))


def _card_context(now: Progress, form: CardForm) -> dict[str, object]:
    return {
        "state": _state(now),
        "form": form,
        "retry_key": uuid4(),
        "test_cards": test_cards() if now.can_retry_payment else (),
    }


def _state(now: Progress) -> str:
    """A short name for what the page shows."""
    return hashlib.sha256(repr(now).encode()).hexdigest()[:16]


def _unindexed(response: HttpResponse) -> HttpResponse:
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
