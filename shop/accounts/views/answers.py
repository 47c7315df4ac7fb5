"""How the account pages answer: drawn privately, refused with a clear word."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language_from_request

from shop.accounts.errors import AccountError, LinkUnusable, TooMany
from shop.accounts.signed_in import private

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def page(
    request: HttpRequest,
    name: str,
    context: dict[str, Any] | None = None,
    *,
    status: int | None = None,
) -> HttpResponse:
    """A page of shop/accounts. Without a status: 422 when its form was refused, else 200."""
    facts = context or {}
    form = facts.get("form")
    refused = isinstance(form, Form) and bool(form.errors)
    response = render(
        request, f"shop/accounts/{name}.html", facts, status=status or (422 if refused else 200)
    )
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def refused(
    request: HttpRequest, name: str, context: dict[str, Any], error: Exception
) -> HttpResponse:
    """The same page with the reason on top, and what was typed kept."""
    response = page(request, name, {**context, "alert": str(error)}, status=_status(error))
    if isinstance(error, TooMany):
        response["Retry-After"] = str(error.wait_seconds)
    return response


def link_page(view: View[P]) -> View[P]:
    """For the pages behind a mail's link: one that cannot be used is told so, with what to do."""

    @private
    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            response = view(request, *args, **kwargs)
        except AccountError as error:
            response = page(request, "link_unusable", {"alert": str(error)}, status=_status(error))
        return unlogged(response)

    return guarded


def unlogged(response: HttpResponse) -> HttpResponse:
    """Django logs the path of what it refuses, and here the path is a key that still opens."""
    response._has_been_logged = True  # type: ignore[attr-defined]  # django.utils.log's own mark
    return response


def language_of(request: HttpRequest) -> str:
    """What the browser prefers of settings.LANGUAGES."""
    return get_language_from_request(request)


def _status(error: Exception) -> int:
    if isinstance(error, TooMany):
        return 429
    return 410 if isinstance(error, LinkUnusable) else 409
