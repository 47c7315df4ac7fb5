"""What a mail may tell, as plain values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orders.states import OrderStatus, PaymentStatus


@dataclass(frozen=True, slots=True)
class Units:
    """``cents``: what all of them cost together."""

    title: str
    quantity: int
    cents: int


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """``decline_code`` is empty unless the bank declined it."""

    card: str
    cents: int
    status: PaymentStatus
    decline_code: str = ""


@dataclass(frozen=True, slots=True)
class ParcelFacts:
    """``carrier``, ``tracking_code`` and ``tracking_url`` are empty when nobody gave them;
    ``delivered_at`` None: on its way."""

    units: Sequence[Units]
    carrier: str
    tracking_code: str
    tracking_url: str
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """``units`` is empty for an amount that belongs to no line."""

    cents: int
    card: str
    units: Sequence[Units]


@dataclass(frozen=True, slots=True)
class ReturnFacts:
    """``refund_cents`` None: no money goes back for it."""

    announced: Sequence[Units]
    received: Sequence[Units]
    refund_cents: int | None
    card: str


@dataclass(frozen=True, slots=True)
class MailFacts:
    """Order and money as they are when the mail is written; ``payment``, ``parcel``, ``refund``
    and ``a_return`` are what the mail is about, None when it is about none.

    ``payment`` is the last one when the mail is about the order as a whole. ``back_cents`` is what
    was sent back or is on its way back. ``left_units`` are still to be shipped. ``can_pay``: a
    card may be tried now. ``invoice_url`` is empty when there is no invoice yet.
    """

    shop_name: str
    shop_address: Sequence[str]
    name: str
    number: str
    status: OrderStatus
    currency: str
    total_cents: int
    units: Sequence[Units]
    street: Sequence[str]
    country: str
    hold_expires_at: datetime
    can_pay: bool
    captured_cents: int
    back_cents: int
    bank_is_silent: bool
    left_units: int
    order_url: str
    invoice_url: str = ""
    payment: PaymentFacts | None = None
    parcel: ParcelFacts | None = None
    refund: RefundFacts | None = None
    a_return: ReturnFacts | None = None
