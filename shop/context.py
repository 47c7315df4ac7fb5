"""What every page of the shop may show."""

from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from shop import session
from shop.accounts.signed_in import current_account
from shop.models import Category


def shop(request: HttpRequest) -> dict[str, Any]:
    """Name, currency, navigation and cart count. Read when a template asks, so unused is unpaid."""
    return {
        "shop_name": settings.SHOP_NAME,
        "currency": settings.CURRENCY,
        "shop_categories": SimpleLazyObject(lambda: list(Category.objects.all())),
        "cart_count": partial(_cart_count, request),
        "has_account": partial(_has_account, request),
    }


def _has_account(request: HttpRequest) -> bool:
    """Whether a shopper is signed in. A visitor without a session cookie costs no query."""
    kept = getattr(request, "session", None)
    return bool(kept and kept.session_key) and current_account(request) is not None


def _cart_count(request: HttpRequest) -> int:
    """Units in the cart. A visitor without a session cookie costs no query and gets no session."""
    kept = getattr(request, "session", None)
    if kept is None or not (kept.session_key or kept.modified):
        return 0
    return session.units(kept)
