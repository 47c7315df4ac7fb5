"""Checkout on one page. Submitting it any number of times makes one order.

The page carries two hidden fields: the idempotency key of the cart (drawn once, kept in the
session, so that reload and other tabs have the same one) and what the page showed. The key decides
whether there is an order already; what it showed decides whether the shopper agreed to the cart
as it is now.
"""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language_from_request
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from orders.errors import Busy, OutOfStock, UnknownSku
from orders.selectors import order_by_key
from orders.services.cards import test_cards
from orders.services.placement import place_order
from shop import cart as carts
from shop import selectors, session
from shop.accounts import book
from shop.accounts.errors import AccountError
from shop.accounts.signed_in import current_account
from shop.cart import Cart
from shop.forms import CheckoutForm
from shop.http import HtmxRequest, SeeOther, read_uuid
from shop.models import Account
from shop.seen import differences, read_seen
from shop.views import cart as cart_views

_OUT_OF_DATE = (
    "This page was out of date, so nothing was ordered. Please check it and press the button again."
)
_CHANGED = (
    "Your cart is not what this page showed, so nothing was ordered. "
    "Please look at the changes and press the button again."
)
_SHORT = (
    "There is less left than your cart holds. Nothing was ordered and nothing charged: "
    "choose what to do, then press the button again."
)


@sensitive_post_parameters("card_number", "card_expiry", "card_cvc")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def checkout(request: HtmxRequest) -> HttpResponse:
    return submit(request) if request.method == "POST" else draw(request)


def draw(request: HtmxRequest) -> HttpResponse:
    cart = cart_views.current(request)
    if not cart.lines:
        return SeeOther(reverse("shop:cart"))
    return _page(request, cart, CheckoutForm(initial=_filled_in(request)))


def _filled_in(request: HtmxRequest) -> dict[str, Any]:
    """What the account knows already; `?address=` chooses one of its address book."""
    account = current_account(request)
    if account is None:
        return {}
    entry = book.address_for_checkout(account, request.GET.get("address", ""))
    return {"email": account.email, **(book.values(entry) if entry else {}), "entry": entry}


def submit(request: HtmxRequest) -> HttpResponse:
    # The session is read before the order is looked up. The other way round, a twin of this request
    # could commit its order and empty the cart in between, and this one would find neither.
    cart = cart_views.current(request)
    key = read_uuid(request.POST.get("idempotency_key"))
    order = order_by_key(key) if key else None
    if key and order:
        return _landed(request, key, order.token)
    if "take" in request.POST or "remove" in request.POST:
        return _adjust(request, cart)
    if not cart.lines:
        empty = "Your cart is empty, so nothing was ordered. Put something into it first."
        return cart_views.cart_page(request, status=409, problem=empty)
    form = CheckoutForm(request.POST)
    if key is None:
        return _page(request, cart, form, status=400, alert=_OUT_OF_DATE)
    if key != session.checkout_key(request.session):
        return _page(request, cart, form, status=409, alert=_OUT_OF_DATE)
    if changes := _changes(request, cart):
        return _page(request, cart, form, status=409, alert=_CHANGED, changes=changes)
    if not form.is_valid():
        return _page(request, cart, form, status=422)
    return _order(request, cart, form, key)


def _order(request: HtmxRequest, cart: Cart, form: CheckoutForm, key: UUID) -> HttpResponse:
    account = current_account(request)
    command = form.command(
        key,
        cart,
        customer_id=account.user_id if account else None,
        language=get_language_from_request(request),
    )
    try:
        order = place_order(command)
    except OutOfStock as error:
        return _page(request, cart, form, status=409, alert=_SHORT, shortages=error.shortages)
    except UnknownSku as error:
        return _page(request, cart, form, status=409, alert=str(error))
    except Busy as error:
        return _page(request, cart, form, status=503, alert=str(error))
    if account and form.cleaned_data["keep_address"]:
        _keep_address(request, account, form)
    return _landed(request, key, order.token)


def _keep_address(request: HtmxRequest, account: Account, form: CheckoutForm) -> None:
    try:
        book.save_address(account, form.address())
    except AccountError as error:
        # The order stands whatever becomes of the address book.
        messages.warning(request, str(error))


def _landed(request: HtmxRequest, key: UUID, token: str) -> HttpResponse:
    session.finish(request.session, key)
    return SeeOther(reverse("shop:order", args=[token]))


def _adjust(request: HtmxRequest, cart: Cart) -> HttpResponse:
    """Take what is left of a line, or take the line out; keep what was typed so far."""
    entries = session.entries(request.session)
    entries = carts.removed(entries, request.POST.get("remove", ""))
    for line in cart.lines:
        if line.offer.sku == request.POST.get("take") and line.is_short:
            entries = carts.changed(
                entries, line.offer.sku, line.offer.available, line.offer.price_cents
            )
    session.save_entries(request.session, entries)
    adjusted = cart_views.current(request)
    if not adjusted.lines:
        return SeeOther(reverse("shop:cart"))
    typed = {name: request.POST.get(name, "") for name in CheckoutForm.base_fields}
    return _page(request, adjusted, CheckoutForm(initial=typed))


def _changes(request: HtmxRequest, cart: Cart) -> tuple[str, ...]:
    seen = request.POST.get("seen", "")
    known = read_seen(seen) or {}
    return differences(seen, cart, selectors.titles(known)) if seen != cart.seen else ()


def _page(
    request: HtmxRequest, cart: Cart, form: CheckoutForm, *, status: int = 200, **notices: Any
) -> HttpResponse:
    """`notices`: alert (text), changes (sentences), shortages (orders.errors.Shortage)."""
    account = current_account(request)
    context = {
        "cart": cart,
        "form": form,
        "account": account,
        "addresses": book.addresses_of(account) if account else (),
        "idempotency_key": _key(request),
        "test_cards": test_cards(),
        **notices,
    }
    return render(request, "shop/checkout.html", context, status=status)


def _key(request: HtmxRequest) -> UUID:
    """The key of this cart. One that is an order already belongs to a cart of before: another tab
    may have written an old session back after the order was made."""
    key = session.checkout_key(request.session)
    if key is None or order_by_key(key):
        return session.draw_checkout_key(request.session)
    return key
