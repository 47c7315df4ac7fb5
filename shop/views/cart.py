"""The cart page and its three forms. Each answers htmx with the cart part, others with a page."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from shop import cart as carts
from shop import selectors, session
from shop.cart import MAX_PER_LINE, BadQuantity, Cart
from shop.http import HtmxRequest, SeeOther
from shop.views import errors
from shop.views.catalogue import product_page


def current(request: HttpRequest) -> Cart:
    """The visitor's cart at today's prices."""
    entries = session.entries(request.session)
    return carts.build(entries, selectors.offers(entries))


@never_cache
@require_safe
def show(request: HtmxRequest) -> HttpResponse:
    return cart_page(request)


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    sku = request.POST.get("sku", "")
    typed = request.POST.get("quantity", "1")
    shelf = selectors.shelf_of(sku) if _could_be_sku(sku) else None
    if shelf is None:
        return errors.product_not_found(request)
    choice = next(choice for choice in shelf.choices if choice.variant.sku == sku)
    if not choice.stock.can_buy:
        sold_out = f"{choice.variant.title} is sold out. Please choose another one."
        return product_page(request, shelf, status=409, problem=sold_out, chosen_sku=sku)
    try:
        quantity = carts.read_quantity(typed)
        entries = carts.added(
            session.entries(request.session), sku, quantity, choice.variant.price_cents
        )
    except BadQuantity as error:
        return product_page(
            request, shelf, status=400, problem=str(error), chosen_sku=sku, quantity=typed[:20]
        )
    session.save_entries(request.session, entries)
    messages.success(request, f"{choice.variant.title} is in your cart.")
    return SeeOther(reverse("shop:cart"))


@require_POST
def update(request: HtmxRequest) -> HttpResponse:
    """Set a line's quantity; 0 takes it out. The price of today counts as seen."""
    sku = request.POST.get("sku", "")
    entries = session.entries(request.session)
    offer = selectors.offers([sku]).get(sku) if sku in entries else None
    if offer is None:
        problem = "This is not in your cart any more. Below is what it holds now."
        return cart_page(request, status=404, problem=problem)
    try:
        quantity = carts.read_quantity(request.POST.get("quantity", ""), lowest=0)
    except BadQuantity as error:
        return cart_page(request, status=400, problem=str(error), problem_sku=sku)
    session.save_entries(request.session, carts.changed(entries, sku, quantity, offer.price_cents))
    return _changed(request)


@require_POST
def remove(request: HtmxRequest) -> HttpResponse:
    """Take a line out. Taking out what is not there is fine: that is what was wanted."""
    entries = session.entries(request.session)
    session.save_entries(request.session, carts.removed(entries, request.POST.get("sku", "")))
    return _changed(request)


def cart_page(
    request: HtmxRequest, *, status: int = 200, problem: str = "", problem_sku: str = ""
) -> HttpResponse:
    cart = current(request)
    titles = selectors.titles(cart.gone) if cart.gone else {}
    template = "shop/parts/cart_answer.html" if request.htmx else "shop/cart.html"
    return render(
        request,
        template,
        {
            "cart": cart,
            "gone": [(sku, titles.get(sku, sku)) for sku in cart.gone],
            "max_per_line": MAX_PER_LINE,
            "problem": problem,
            "problem_sku": problem_sku,
        },
        status=status,
    )


def _changed(request: HtmxRequest) -> HttpResponse:
    return cart_page(request) if request.htmx else SeeOther(reverse("shop:cart"))


def _could_be_sku(text: str) -> bool:
    return bool(carts.SKU.fullmatch(text))
