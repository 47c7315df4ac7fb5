"""By what a person is known, and the limit that the database itself keeps.

Claims inside one transaction, everywhere: all kinds of slot 1 in the order of ``IdentityKind``,
then those of slot 2, so that two orders of one household never wait for each other in a circle.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.crypto import salted_hmac

from orders.emails import key_of
from orders.services.cards import Card
from orders.services.placement import Address
from shop.flash_sales.errors import LimitReached
from shop.flash_sales.models import FlashSale, SaleIdentity
from shop.flash_sales.states import IdentityKind

_SALT = "shop.flash_sales.persons"
# Providers that deliver a.l.i.c.e@ to alice@.
_DOTS_DO_NOT_COUNT = {"gmail.com", "googlemail.com"}
_STREET_WORDS = (("strasse", "str"), ("street", "st"), ("avenue", "ave"), ("road", "rd"))


@dataclass(frozen=True, slots=True)
class Identity:
    """``key`` is the same for every way to write the same thing. It is stored as a keyed hash."""

    kind: IdentityKind
    key: str


def identities(email: str, address: Address, card: Card) -> list[Identity]:
    """What an order tells about its person beyond who clicked. A card without a fingerprint, which
    is a test number, tells nothing."""
    known = [
        Identity(IdentityKind.MAIL, mail_key(email)),
        Identity(IdentityKind.ADDRESS, address_key(address)),
    ]
    if card.fingerprint:
        known.append(Identity(IdentityKind.CARD, card.fingerprint))
    return known


def mail_key(email: str) -> str:
    """One mailbox, one key: case, what follows a plus, and dots where they do not count."""
    local, at, domain = key_of(email).rpartition("@")
    local = local.partition("+")[0]
    if domain in _DOTS_DO_NOT_COUNT:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}{at}{domain}"


def address_key(address: Address) -> str:
    """One house, one key: neither the name, nor the flat, nor how the street is written counts."""
    street = _plain(address.line1)
    for long, short in _STREET_WORDS:
        street = street.replace(long, short)
    return "|".join([_plain(address.country), _plain(address.postcode), street])


def _plain(text: str) -> str:
    """Letters and digits only, without accents: 'Große  Straße 5' and 'grosse strasse 5'."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return re.sub(r"[\W_]+", "", "".join(c for c in decomposed if not unicodedata.combining(c)))


def claim_slots(sale: FlashSale, ticket_id: int, wanted: Sequence[Identity]) -> None:
    """Take one of the sale's slots for each identity, inside the caller's transaction.

    Raises LimitReached when all slots of one are taken; the transaction must then roll back.
    """
    missing = {identity.kind: identity for identity in wanted}
    for slot in range(1, sale.limit_per_person + 1):
        SaleIdentity.objects.bulk_create(
            [
                SaleIdentity(
                    sale=sale,
                    ticket_id=ticket_id,
                    kind=kind,
                    digest=digest(sale.pk, missing[kind]),
                    slot=slot,
                )
                for kind in IdentityKind
                if kind in missing
            ],
            # Whoever inserts the same slot at this moment makes us wait for the end of it.
            ignore_conflicts=True,
        )
        taken = SaleIdentity.objects.filter(ticket_id=ticket_id, kind__in=list(missing))
        for kind in taken.values_list("kind", flat=True):
            missing.pop(IdentityKind(kind))
        if not missing:
            return
    raise LimitReached(next(iter(missing)), sale.limit_per_person)


def digest(sale_id: int, identity: Identity) -> str:
    """64 hexadecimal digits that name nobody, other ones in each sale."""
    value = f"{sale_id}:{identity.kind}:{identity.key}"
    return salted_hmac(_SALT, value, algorithm="sha256").hexdigest()
