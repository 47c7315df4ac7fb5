"""Who asks, by what they send: a signed token, and the signed place that they were given.

A form carries both as fields, and its token is the proof that the form is ours: another site cannot
know it, so no cookie of the session is needed for that. A page that only reads takes the cookies.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from shop.flash_sales.models import SaleItem
from shop.flash_sales.tokens import (
    TOKEN_LIFE_SECONDS,
    Place,
    read_person,
    read_place,
    sign_place,
)

PERSON_COOKIE = "sale_person"
_PLACE_COOKIE = "sale_place_"
_NUMBER = re.compile(r"[0-9]{1,18}")
_MOST_FIELDS = 50


@dataclass(frozen=True, slots=True)
class Visitor:
    """``token`` is the proof that this is ``person``, ``solution`` what was sent for its
    challenge."""

    token: str
    person: str
    place: Place
    solution: str = ""


def place_cookie(item: SaleItem) -> str:
    return f"{_PLACE_COOKIE}{item.pk}"


def who_posts(request: HttpRequest, item: SaleItem) -> Visitor:
    """Raises TokenRefused."""
    form = _form(request)
    token, place = form.get("entry", ""), form.get("place", "")
    # A tab from before they signed in: the place in the cookie is their account's by now.
    if request.COOKIES.get(PERSON_COOKIE, token) == token:
        place = place or request.COOKIES.get(place_cookie(item), "")
    return replace(_visitor(token, place, item), solution=form.get("solution", ""))


def who_reads(request: HttpRequest, item: SaleItem) -> Visitor | None:
    """None for somebody without a token. Raises TokenRefused."""
    token = request.COOKIES.get(PERSON_COOKIE, "")
    if not token:
        return None
    return _visitor(token, request.COOKIES.get(place_cookie(item), ""), item)


def _form(request: HttpRequest) -> Mapping[str, str]:
    """The few fields of a click, without what Django's own form data can do beyond them."""
    if request.content_type != "application/x-www-form-urlencoded":
        return request.POST
    try:
        return dict(parse_qsl(request.body.decode("ascii"), max_num_fields=_MOST_FIELDS))
    except ValueError:  # no ASCII, or more fields than any form of ours
        return request.POST


def _visitor(token: str, place: str, item: SaleItem) -> Visitor:
    person = read_person(token, item.sale_id)
    return Visitor(token, person, read_place(place, item.sale_id, item.pk, person))


def shown_places(request: HttpRequest) -> dict[int, str]:
    """The signed places that are shown, by the number of the item, for all items of this sale."""
    named = {name.removeprefix(_PLACE_COOKIE): name for name in _place_cookies(request)}
    return {
        int(number): request.COOKIES[name]
        for number, name in named.items()
        if _NUMBER.fullmatch(number)
    }


def _place_cookies(request: HttpRequest) -> list[str]:
    return [name for name in request.COOKIES if name.startswith(_PLACE_COOKIE)]


def remember_person(response: HttpResponse, item: SaleItem, token: str) -> None:
    _set(response, PERSON_COOKIE, token, item)


def forget_places(request: HttpRequest, response: HttpResponse, item: SaleItem) -> None:
    """Another person's places are none."""
    for name in _place_cookies(request):
        response.delete_cookie(name, path=_path(item), samesite="Lax")


def remember_place(
    response: HttpResponse,
    item: SaleItem,
    person: str,
    place: Place,
    *,
    item_id: int | None = None,
) -> str:
    """The place, signed, also as a cookie; empty when there is none. ``item_id``: of the place,
    when it is another item's of the same sale."""
    if not place.seq:
        return ""
    number = item_id or item.pk
    signed = sign_place(item.sale_id, number, person, place)
    _set(response, f"{_PLACE_COOKIE}{number}", signed, item)
    return signed


def _set(response: HttpResponse, name: str, value: str, item: SaleItem) -> None:
    # Not set_cookie: it writes the date of its end too, for browsers of twenty years ago.
    response.cookies[name] = value
    cookie = response.cookies[name]
    cookie["max-age"] = str(TOKEN_LIFE_SECONDS)
    cookie["path"] = _path(item)
    cookie["httponly"] = True
    cookie["samesite"] = "Lax"
    if settings.SESSION_COOKIE_SECURE:
        cookie["secure"] = True


def _path(item: SaleItem) -> str:
    return f"/sale/{item.sale.slug}/"
