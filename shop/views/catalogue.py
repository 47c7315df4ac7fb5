"""Home, category and product pages."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from shop import selectors
from shop.cart import MAX_PER_LINE
from shop.selectors import Shelf
from shop.views import errors


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    shelves = selectors.featured()
    # The story of this shop is scarcity: what is nearly gone stands on top.
    on_sale = (shelf for shelf in shelves if shelf.stock.can_buy)
    hero = min(on_sale, key=lambda shelf: shelf.stock.units, default=None)
    others = [shelf for shelf in shelves if shelf is not hero]
    return render(request, "shop/home.html", {"hero": hero, "shelves": others})


@require_safe
def category(request: HttpRequest, slug: str) -> HttpResponse:
    section = selectors.section(slug)
    if section is None:
        return errors.not_found(request)
    return render(request, "shop/category.html", {"section": section})


@require_safe
def product(request: HttpRequest, slug: str) -> HttpResponse:
    shelf = selectors.shelf(slug)
    if shelf is None:
        return errors.product_not_found(request)
    return product_page(request, shelf)


def product_page(
    request: HttpRequest,
    shelf: Shelf,
    *,
    status: int = 200,
    problem: str = "",
    chosen_sku: str = "",
    quantity: str = "1",
) -> HttpResponse:
    """The product, with `problem` beside the form when something could not be put in the cart."""
    first = shelf.first_choice
    return render(
        request,
        "shop/product.html",
        {
            "shelf": shelf,
            "related": selectors.related(shelf.product),
            "chosen_sku": chosen_sku or (first.variant.sku if first else ""),
            "quantity": quantity,
            "max_per_line": MAX_PER_LINE,
            "problem": problem,
        },
        status=status,
    )
