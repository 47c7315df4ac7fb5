"""Who comes to the door: a token for somebody new, their account's for who is signed in.

Whoever is signed in is the same person on every device. A place in line that they were given before
that goes with them: it becomes the account's, so that nobody loses it by signing in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from shop.accounts.signed_in import current_account
from shop.flash_sales import local_answers
from shop.flash_sales.gate import Gate, GateAway
from shop.flash_sales.models import SaleItem
from shop.flash_sales.tokens import (
    Place,
    TokenRefused,
    is_visitor,
    mint_person,
    person_of_account,
    read_place,
)
from shop.flash_sales.visitor import (
    Visitor,
    forget_places,
    remember_person,
    remember_place,
    shown_places,
    who_reads,
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """``is_new``: the token is another than they had. ``places``: of the account, by the number of
    the item, which they had as a visitor or, better ones, as the account."""

    token: str
    is_new: bool = False
    person: str = ""
    places: Mapping[int, Place] = field(default_factory=dict)


def arrive(request: HttpRequest, item: SaleItem) -> Arrival:
    """A visitor without a session costs no query."""
    try:
        known = who_reads(request, item)
    except TokenRefused:
        known = None
    if known and shown_places(request):
        return carry_over(request, item, known) or Arrival(known.token)
    account = _account_id(request)
    if known and (account is None or known.person == person_of_account(account)):
        return Arrival(known.token)
    return Arrival(mint_person(item.sale_id, account), is_new=True)


def carry_over(request: HttpRequest, item: SaleItem, visitor: Visitor) -> Arrival | None:
    """Make the places of a visitor who has signed in their account's. None when all stays as it
    was: nobody signed in, no place was shown, or the visitor has a ticket or units."""
    if not is_visitor(visitor.person) or not shown_places(request):
        return None
    account = _account_id(request)
    if account is None:
        return None
    places: dict[int, Place] = {}
    for item_id, shown in _places_of(request, item, visitor):
        seq = _carry(Gate(item.sale_id, item_id), visitor.person, account, shown)
        if seq is None:
            return None
        # The time that was told belongs to the place.
        places[item_id] = shown if seq == shown.seq else Place(seq)
    token = mint_person(item.sale_id, account)
    return Arrival(token, True, person_of_account(account), places)


def remember(
    arrival: Arrival, request: HttpRequest, response: HttpResponse, item: SaleItem
) -> None:
    """As cookies: another person's places are none."""
    if not arrival.is_new:
        return
    remember_person(response, item, arrival.token)
    forget_places(request, response, item)
    for item_id, place in arrival.places.items():
        remember_place(response, item, arrival.person, place, item_id=item_id)


def _places_of(
    request: HttpRequest, item: SaleItem, visitor: Visitor
) -> Iterator[tuple[int, Place]]:
    for item_id, signed in shown_places(request).items():
        try:
            yield item_id, read_place(signed, item.sale_id, item_id, visitor.person)
        except TokenRefused:
            continue  # somebody else's: there is nothing to carry


def _carry(gate: Gate, person: str, account_id: int, shown: Place) -> int | None:
    if local_answers.is_away(gate.item_id):
        return None
    try:
        return gate.carry(person, person_of_account(account_id), place=shown.seq)
    except GateAway:
        local_answers.remember_away(gate.item_id)
        return None


def _account_id(request: HttpRequest) -> int | None:
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    account = current_account(request)
    return account.pk if account else None
