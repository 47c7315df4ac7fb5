"""The payment provider as this application sees it: a vocabulary of facts and one Protocol.

Whether money moved is decided by the provider alone. A caller that does not know asks again with
the same idempotency key; it never makes up an answer and never makes up a new key.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from orders.gateways.declines import decline_message


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """Take ``amount_cents`` from a card, once per ``idempotency_key``.

    The key is committed to our database before the first call and stays the same over all
    retries; every other field must then stay the same too. ``currency`` is ISO 4217 in capitals,
    ``payment_method`` a token (never a card number). ``return_url`` (absolute) is where the bank
    sends the shopper back to when it wanted to see them.
    """

    idempotency_key: str
    amount_cents: int
    currency: str
    payment_method: str
    order_number: str
    payment_id: int
    description: str
    return_url: str


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
class ActionRequired:
    """The bank wants to see the shopper (3-D Secure), at ``redirect_url``. No money has moved; it
    may move as soon as they have been there, and the bank does not wait for us then."""

    reference: str
    redirect_url: str


@dataclass(frozen=True, slots=True)
class Voided:
    """Cancelled at the provider: no money moved and none will."""

    reference: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """The provider's books have nothing of this kind for us."""


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Give ``amount_cents`` of a captured payment back, once per ``idempotency_key``.

    As with ``CaptureRequest``, key and fields are committed first and stay the same over all
    retries. ``payment_reference`` is the capture's, ``currency`` ISO 4217 in capitals.
    """

    idempotency_key: str
    payment_reference: str
    amount_cents: int
    currency: str
    order_number: str
    payment_id: int
    refund_id: int


@dataclass(frozen=True, slots=True)
class Refunded:
    """The money is on its way back, for good. ``reference`` finds the refund at the provider."""

    reference: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class RefundPending:
    """Accepted, and not moved yet: look it up later by its ``reference``."""

    reference: str


@dataclass(frozen=True, slots=True)
class RefundRefused:
    """No money went back and none will under this key. ``code`` and ``message`` are the provider's,
    for staff; ``reference`` is empty when no refund came into being."""

    code: str
    message: str
    reference: str = ""


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


@dataclass(frozen=True, slots=True)
class GatewayRefund:
    """One refund in the provider's own books, for the audit. ``status`` is ``succeeded`` or
    ``pending``. What came from our metadata is empty (the ids None) for a refund that somebody
    made by another way. ``refunded_at`` is when it was begun."""

    reference: str
    payment_reference: str
    order_number: str
    payment_id: int | None
    refund_id: int | None
    idempotency_key: str
    amount_cents: int
    currency: str
    status: str
    refunded_at: datetime


Settled = Captured | Declined
Attempted = Captured | Declined | ActionRequired
Found = Captured | Declined | ActionRequired | Voided | NotFound
Moved = Refunded | RefundPending | RefundRefused


class PaymentGateway(Protocol):
    """What a payment provider must do. Safe to call from several threads; never inside a
    database transaction, since an answer may take ``PAYMENT_TIMEOUT_SECONDS``."""

    def capture(self, request: CaptureRequest) -> Captured | Declined | ActionRequired:
        """Authorise and capture in one step. It sends the request at most once: a retry is the
        caller's, with the same ``request``. Asked again later, it says how things stand then.

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

    def look_up(
        self, *, payment_id: int, reference: str, since: datetime
    ) -> Captured | Declined | ActionRequired | Voided | NotFound:
        """How a payment stands in the provider's books; moves nothing.

        By ``reference`` if there is one. Without, the books from ``since`` (aware) on are searched
        for our ``payment_id``, and where there are several, what moved money comes first. Raises
        Transient (also for what is still under way there), BreakerOpen or Permanent.
        """
        ...

    def void(self, reference: str, idempotency_key: str) -> Voided | Captured | Declined:
        """Cancel a payment that waits for the shopper. Captured when the money had moved before:
        then it must be refunded, not forgotten.

        Raises what ``capture`` raises; after OutcomeUnknown it may or may not be cancelled, and
        asking again tells.
        """
        ...

    def refund(self, request: RefundRequest) -> Refunded | RefundPending | RefundRefused:
        """Give money back, with the same care as ``capture`` and the same errors."""
        ...

    def look_up_refund(
        self, *, refund_id: int, reference: str, payment_reference: str
    ) -> Refunded | RefundPending | RefundRefused | NotFound:
        """How a refund stands: by ``reference`` if there is one, else among the refunds of the
        payment by our ``refund_id``. Raises Transient, BreakerOpen or Permanent."""
        ...

    def captures(self, *, since: datetime | None = None) -> Iterator[GatewayCapture]:
        """Every capture in the provider's books, newest first, asked for page by page.

        ``since`` (aware) leaves out what was begun earlier. Raises Transient or BreakerOpen when
        the books cannot be read now, Permanent when this account may not read them.
        """
        ...

    def refunds(self, *, since: datetime | None = None) -> Iterator[GatewayRefund]:
        """Every refund that moved money or will, newest first. ``since`` and errors as for
        ``captures``."""
        ...
