"""The order page behind its secret link: what happens to the order, and paying for it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from orders import selectors
from orders.errors import Busy, NotPayable
from orders.services.payment import ask_again, give_up_action, retry_payment
from shop.forms import CardForm
from shop.http import SeeOther, read_uuid
from shop.views import errors
from shop.views.order_page import hold_context, moving_part, page, secret, story_of, unindexed

# What the payment provider adds to the address when it sends the shopper back.
_BACK_FROM_BANK = {"payment_intent", "redirect_status"}


@secret
@require_safe
def show(request: HttpRequest, token: str) -> HttpResponse:
    if _BACK_FROM_BANK & request.GET.keys():
        return _back_from_bank(request, token)
    return page(request, token)


def _back_from_bank(request: HttpRequest, token: str) -> HttpResponse:
    """What the address says about the payment is not believed: a worker asks the bank. Then the
    address is cleaned, so that a reload asks nobody."""
    order = selectors.order_by_token(token)
    if order is None:
        return errors.order_not_found(request)
    ask_again(order.pk)
    if story_of(order).offers.bank_url:
        messages.info(
            request, "You are back from your bank. We are asking it for its answer: one moment."
        )
    return SeeOther(reverse("shop:order", args=[token]))


@secret
@require_safe
def progress(request: HttpRequest, token: str) -> HttpResponse:
    order = selectors.order_by_token(token)
    if order is None:
        return errors.order_not_found(request)
    return moving_part(request, order, request.GET.get("state", ""))


@secret
@require_safe
def hold(request: HttpRequest, token: str) -> HttpResponse:
    """How long the units are still kept. The card form beside it is left alone, because somebody
    may be typing in it, until it is of no use any more."""
    order = selectors.order_by_token(token)
    if order is None:
        return errors.order_not_found(request)
    story = story_of(order)
    if story.offers.held_until is None:
        return unindexed(HttpResponse(headers={"HX-Refresh": "true"}))
    context = hold_context(order, story)
    return unindexed(render(request, "shop/order_parts/hold.html", context))


@secret
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
        return page(request, token, form=form, status=400, alert=stale)
    if not form.is_valid():
        return page(request, token, form=form, status=422)
    try:
        retry_payment(order.pk, form.card, key)
    except NotPayable as error:
        return page(request, token, status=409, alert=str(error))
    except Busy as error:
        return page(request, token, form=form, status=503, alert=str(error))
    return SeeOther(reverse("shop:order", args=[token]))


@secret
@require_POST
def leave_bank(request: HttpRequest, token: str) -> HttpResponse:
    """The shopper does not want to go to the bank. Any number of times; if the bank took the money
    meanwhile, the order is paid."""
    order = selectors.order_by_token(token)
    if order is None:
        return errors.order_not_found(request)
    give_up_action(order.pk)
    if story_of(order).offers.bank_url:
        messages.info(
            request, "We are telling your bank to stop. In a moment you can enter another card."
        )
    return SeeOther(reverse("shop:order", args=[token]))
