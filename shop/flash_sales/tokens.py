"""Who somebody in a sale is, and which place they have, signed: nothing is stored for it.

A page of a sale is the same for everybody and sets no cookie. The person's token is made when they
first ask, and everything they send afterwards carries it.
"""

import secrets
import time
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from django.conf import settings
from django.core.signing import BadSignature, Signer

_PERSON = "shop.flash_sales.person"
_PLACE = "shop.flash_sales.place"
# No character of a random name, so that no visitor is ever taken for an account.
_ACCOUNT = "~"
_VISITOR = "visitor:"
TOKEN_LIFE_SECONDS = 7 * 24 * 3_600


class Why(StrEnum):
    """Why somebody is refused: a closed set, each counted."""

    FORGED = "forged"
    REUSED = "reused"
    OLD = "old"
    RATE = "rate"
    CHALLENGE = "challenge"


class TokenRefused(Exception):
    """The proof that was sent is none. Its message may be shown to a shopper."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why


@dataclass(frozen=True, slots=True)
class Place:
    """``seq``: the number in line. ``turn_at_ms``: when this person was last told that their turn
    would come, in milliseconds of the epoch; 0 when nobody could say."""

    seq: int
    turn_at_ms: int = 0


NO_PLACE = Place(0)


def mint_person(sale_id: int, account_id: int | None = None) -> str:
    """The token of somebody new, or of who is signed in, for this sale only."""
    name = f"{_ACCOUNT}{account_id}" if account_id else secrets.token_urlsafe(16)
    return Signer(salt=_PERSON).sign(f"{sale_id}.{name}.{int(time.time())}")


def read_person(token: str, sale_id: int) -> str:
    """The name under which the gate and the tickets know the person.

    Raises TokenRefused: FORGED when we have not signed it, REUSED when it is another sale's, OLD
    after TOKEN_LIFE_SECONDS.
    """
    sale, name, minted_at = _read(token, _PERSON, 3)
    if int(sale) != sale_id:
        raise TokenRefused(Why.REUSED, "This was made for another sale. Open the sale's page anew.")
    if time.time() - int(minted_at) > TOKEN_LIFE_SECONDS:
        raise TokenRefused(Why.OLD, "This page is too old. Open the sale's page anew.")
    if name.startswith(_ACCOUNT):
        return person_of_account(int(name.removeprefix(_ACCOUNT)))
    return f"{_VISITOR}{name}"


def is_visitor(person: str) -> bool:
    """Somebody who was not signed in when they came."""
    return person.startswith(_VISITOR)


def person_of_account(account_id: int) -> str:
    """Who is signed in is the same person on every device."""
    return f"account:{account_id}"


def sign_place(sale_id: int, item_id: int, person: str, place: Place) -> str:
    return Signer(salt=_PLACE).sign(
        f"{sale_id}.{item_id}.{person}.{place.seq}.{place.turn_at_ms}",
    )


def read_place(text: str, sale_id: int, item_id: int, person: str) -> Place:
    """The place that this person was given. An empty text is NO_PLACE.

    Raises TokenRefused: FORGED when we have not signed it, REUSED when it is another person's or
    another item's.
    """
    if not text:
        return NO_PLACE
    sale, item, owner, seq, turn_at_ms = _read(text, _PLACE, 5)
    if (int(sale), int(item), owner) != (sale_id, item_id, person):
        raise TokenRefused(Why.REUSED, "This place in line was given to somebody else.")
    return Place(int(seq), int(turn_at_ms))


def _read(signed: str, salt: str, parts: int) -> list[str]:
    forged = TokenRefused(Why.FORGED, "This was not made by our shop. Open the sale's page anew.")
    try:
        found = _unsigned(signed, salt, settings.SECRET_KEY).split(".")
    except BadSignature:
        raise forged from None
    if len(found) != parts:  # signed by us, in another form than today's
        raise forged
    return found


@lru_cache(maxsize=20_000)
def _unsigned(signed: str, salt: str, _key: str) -> str:
    """What was signed. Who waits in line shows the same again every few seconds."""
    return Signer(salt=salt).unsign(signed)
