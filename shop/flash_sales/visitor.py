"""Who asks, by what they send: a signed token, and the signed place that they were given.

A form carries both as fields, and its token is the proof that the form is ours: another site cannot
know it, so no cookie of the session is needed for that. A page that only reads takes the cookies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from shop.accounts.signed_in import current_account
from shop.flash_sales.models import SaleItem
from shop.flash_sales.tokens import (
    TOKEN_LIFE_SECONDS,
    Place,
    TokenRefused,
    mint_person,
    person_of_account,
    read_person,
    read_place,
    sign_place,
)

PERSON_COOKIE = "sale_person"
_PLACE_COOKIE = "sale_place_"
_MOST_FIELDS = 50


@dataclass(frozen=True, slots=True)
class Visitor:
    """``token`` is the proof that this is ``person``."""

    token: str
    person: str
    place: Place


def place_cookie(item: SaleItem) -> str:
    return f"{_PLACE_COOKIE}{item.pk}"


def who_posts(request: HttpRequest, item: SaleItem) -> Visitor:
    """Raises TokenRefused."""
    form = _form(request)
    place = form.get("place", "") or request.COOKIES.get(place_cookie(item), "")
    return _visitor(form.get("entry", ""), place, item)


def who_reads(request: HttpRequest, item: SaleItem) -> Visitor | None:
    """None for somebody without a token. Raises TokenRefused."""
    token = request.COOKIES.get(PERSON_COOKIE, "")
    if not token:
        return None
    return _visitor(token, request.COOKIES.get(place_cookie(item), ""), item)


def _form(request: HttpRequest) -> Mapping[str, str]:
    """The two fields of a click, without what Django's own form data can do beyond them."""
    if request.content_type != "application/x-www-form-urlencoded":
        return request.POST
    try:
        return dict(parse_qsl(request.body.decode("ascii"), max_num_fields=_MOST_FIELDS))
    except ValueError:  # no ASCII, or more fields than any form of ours
        return request.POST


def _visitor(token: str, place: str, item: SaleItem) -> Visitor:
    person = read_person(token, item.sale_id)
    return Visitor(token, person, read_place(place, item.sale_id, item.pk, person))


def token_at_door(request: HttpRequest, item: SaleItem) -> tuple[str, bool]:
    """The token of whoever comes to the door, and whether it is another than they had.

    Whoever is signed in is the same person on every device, unless they have a place in line from
    before: nobody loses it by signing in.
    """
    try:
        known = who_reads(request, item)
    except TokenRefused:
        known = None
    if known and _places(request):
        return known.token, False
    account = _account_id(request)
    if known and (account is None or known.person == person_of_account(account)):
        return known.token, False
    return mint_person(item.sale_id, account), True


def _places(request: HttpRequest) -> list[str]:
    """Names of the places that are shown, for any item of this sale."""
    return [name for name in request.COOKIES if name.startswith(_PLACE_COOKIE)]


def _account_id(request: HttpRequest) -> int | None:
    """A visitor without a session costs no query."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    account = current_account(request)
    return account.pk if account else None


def remember_person(response: HttpResponse, item: SaleItem, token: str) -> None:
    _set(response, PERSON_COOKIE, token, item)


def forget_places(request: HttpRequest, response: HttpResponse, item: SaleItem) -> None:
    """Another person's places are none."""
    for name in _places(request):
        response.delete_cookie(name, path=_path(item), samesite="Lax")


def remember_place(response: HttpResponse, item: SaleItem, person: str, place: Place) -> str:
    """The place, signed, also as a cookie; empty when there is none."""
    if not place.seq:
        return ""
    signed = sign_place(item.sale_id, item.pk, person, place)
    _set(response, place_cookie(item), signed, item)
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
