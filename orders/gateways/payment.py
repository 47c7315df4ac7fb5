"""The payment provider as this application sees it: four words of vocabulary and one Protocol.

Whether money moved is decided by the provider alone. A caller that does not know asks again with
the same idempotency key; it never makes up an answer and never makes up a new key.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

_GENERIC = "Your bank declined this card. Please use another card or ask your bank."
_DECLINE_MESSAGES = {
    "card_declined": _GENERIC,
    "insufficient_funds": "There is not enough money on this card. Please use another card.",
    "expired_card": "This card has expired. Please use another card.",
    "incorrect_cvc": "The security code does not match this card. Please check it or use another.",
    "incorrect_number": "The card number is not right. Please check it or use another card.",
    "processing_error": "The bank could not handle this card just now. "
    "Please try again in a few minutes or use another card.",
    "authentication_required": "Your bank wants to check with you that it is really you, and this "
    "shop cannot show that check yet. Please use another card; this one was not charged.",
    "card_velocity_exceeded": "This card has reached its limit for now. Please use another card.",
    "currency_not_supported": "This card cannot pay in our currency. Please use another card.",
}


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """Take ``amount_cents`` from a card, once per ``idempotency_key``.

    The key is committed to our database before the first call and stays the same over all
    retries; every other field must then stay the same too. ``currency`` is ISO 4217 in capitals,
    ``payment_method`` a token (never a card number).
    """

    idempotency_key: str
    amount_cents: int
    currency: str
    payment_method: str
    order_number: str
    payment_id: int
    description: str


@dataclass(frozen=True, slots=True)
class Captured:
    """The money moved. ``reference`` finds the payment at the provider."""

    reference: str
    amount_cents: int
    currency: str
    card_brand: str
    card_last4: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The bank said no, finally for this idempotency key: no money moved and none will.

    ``code`` is the provider's reason for staff; ``message`` tells the shopper in plain words what
    to do. It is the same for a card reported lost or stolen as for any other refusal: whoever holds
    such a card must not learn it here.
    """

    reference: str
    code: str
    message: str = field(default="")

    def __post_init__(self) -> None:
        if not self.message:
            object.__setattr__(self, "message", decline_message(self.code))


@dataclass(frozen=True, slots=True)
class GatewayCapture:
    """One capture in the provider's own books, for the audit.

    ``order_number``, ``payment_id`` and ``idempotency_key`` come back from the metadata that
    ``capture`` sent along. They are empty (``payment_id`` None) when somebody took money with this
    account by another way.
    """

    reference: str
    order_number: str
    payment_id: int | None
    idempotency_key: str
    amount_cents: int
    currency: str
    captured_at: datetime


class PaymentGateway(Protocol):
    """What a payment provider must do. Safe to call from several threads; never inside a
    database transaction, since an answer may take ``PAYMENT_TIMEOUT_SECONDS``."""

    def capture(self, request: CaptureRequest) -> Captured | Declined:
        """Authorise and capture in one step. It sends the request at most once: a retry is the
        caller's, with the same ``request``.

        Raises:
            tasks.errors.OutcomeUnknown: no answer in time, the connection broke after something
                was sent, a 5xx, or another request with this key is still running. The money may
                have moved.
            tasks.errors.Transient: nothing moved: too many requests, or no connection was made.
            tasks.errors.Permanent: nothing moved and nothing will: a wrong API key, a request that
                the provider calls invalid, or a key used before with other parameters.
            tasks.errors.BreakerOpen: nothing was sent: the provider has failed again and again.
        """
        ...

    def captures(self, *, since: datetime | None = None) -> Iterator[GatewayCapture]:
        """Every capture in the provider's books, newest first, asked for page by page.

        ``since`` (aware) leaves out what was begun earlier. Raises Transient or BreakerOpen when
        the books cannot be read now, Permanent when this account may not read them.
        """
        ...


def decline_message(code: str) -> str:
    """What to tell a shopper about a refusal with the provider's ``code``."""
    return _DECLINE_MESSAGES.get(code, _GENERIC)
