"""Whose account a request is from, and the door of the pages that need one."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import cache_control

from shop.accounts.backend import is_shopper
from shop.accounts.errors import AccountGone
from shop.http import SeeOther
from shop.models import Account

P = ParamSpec("P")

# Nobody who goes back in a shared browser may see it, and no proxy may keep it.
private = cache_control(private=True, no_store=True)


def current_account(request: HttpRequest) -> Account | None:
    """None for a guest, and for staff who are signed in to the admin."""
    user = getattr(request, "user", None)
    if not isinstance(user, User) or not is_shopper(user):
        return None
    return getattr(user, "account", None)


def account_needed(
    view: Callable[Concatenate[HttpRequest, Account, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Call the view with the account; send others to sign in, and back afterwards."""

    @private
    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        account = current_account(request)
        if account is None:
            back = request.path if request.method in {"GET", "HEAD"} else reverse("shop:account")
            return SeeOther(f"{reverse('shop:sign-in')}?{urlencode({'next': back})}")
        try:
            response = view(request, account, *args, **kwargs)
        except AccountGone:
            # Deleted from another device while this page was under way.
            return SeeOther(reverse("shop:sign-in"))
        response["X-Robots-Tag"] = "noindex, nofollow"
        return response

    return guarded
