"""Drawing the order's page: the whole of it, or the part that moves."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import cache_control

from orders import selectors
from orders.services.cards import test_cards
from orders.services.invoice import may_invoice
from orders.services.shop_address import shop_address
from orders.story.hold import time_left
from orders.story.parts import Story
from orders.story.telling import tell
from shop.countries import NAMES
from shop.forms import CardForm
from shop.views import errors

if TYPE_CHECKING:
    from orders.models import Order

# The address is the permission: no shared cache, no history cache, no search engine may keep it.
secret = cache_control(private=True, no_store=True)


def page(
    request: HttpRequest,
    token: str,
    *,
    form: CardForm | None = None,
    status: int = 200,
    alert: str = "",
) -> HttpResponse:
    """The page as the database has it now; ``alert`` says what could not be done."""
    order = selectors.order_by_token(token)
    if order is None:
        return errors.order_not_found(request)
    context = {"alert": alert, **_context(order, story_of(order), form or CardForm())}
    return unindexed(render(request, "shop/order.html", context, status=status))


def moving_part(request: HttpRequest, order: Order, seen_state: str) -> HttpResponse:
    """What is between head and foot. 204 while it is what ``seen_state`` says the page shows:
    nothing is swapped then, and a screen reader is not interrupted."""
    story = story_of(order)
    if seen_state == state_of(story):
        return unindexed(HttpResponse(status=204))
    context = _context(order, story, CardForm())
    return unindexed(render(request, "shop/order_parts/progress_answer.html", context))


def story_of(order: Order) -> Story:
    return tell(order, timezone.now())


def state_of(story: Story) -> str:
    """A short name for what the page shows."""
    return hashlib.sha256(repr(story).encode()).hexdigest()[:16]


def unindexed(response: HttpResponse) -> HttpResponse:
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def hold_context(order: Order, story: Story) -> dict[str, object]:
    until = story.offers.held_until
    left = time_left(until, timezone.now()) if until else ""
    return {"order": order, "held_until": until, "time_left": left}


def _context(order: Order, story: Story, form: CardForm) -> dict[str, object]:
    return {
        "country": NAMES.get(order.ship_to_country, order.ship_to_country),
        "story": story,
        "state": state_of(story),
        "form": form,
        "retry_key": uuid4(),
        "test_cards": test_cards() if story.offers.card else (),
        "invoice_url": _invoice_url(order),
        "return_address": shop_address(),
        **hold_context(order, story),
    }


def _invoice_url(order: Order) -> str:
    """'' until there is something to invoice. A drawn one stays, whatever happens to the order."""
    there = may_invoice(order) or hasattr(order, "invoice")
    return reverse("shop:order-invoice", args=[order.token]) if there else ""
