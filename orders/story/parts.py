"""What an order's page tells and offers. Plain values, so that two of them can be compared."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

StepState = Literal["done", "current", "waiting", "failed"]


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the way from received to delivered. ``at`` is when it was done."""

    name: str
    title: str
    detail: str
    state: StepState
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the order; ``told`` says what became of its units, '' when nothing did."""

    sku: str
    title: str
    quantity: int
    unit_price_cents: int
    total_cents: int
    told: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """``detail`` and ``tracking_url`` are '' when nothing is known of the carrier, or its page."""

    title: str
    detail: str
    contents: tuple[str, ...]
    carrier: str
    tracking_code: str
    tracking_url: str
    delivered: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class MoneyBack:
    """One refund. ``contents`` are the units whose price it gives back, empty for a free amount."""

    amount_cents: int
    title: str
    detail: str
    contents: tuple[str, ...]
    state: StepState
    at: datetime


@dataclass(frozen=True, slots=True)
class WayBack:
    """One return. ``awaited``: the parcel is to be sent, and may still be called off."""

    return_id: int
    title: str
    detail: str
    contents: tuple[str, ...]
    awaited: bool
    received: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the history."""

    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Offers:
    """What the shopper can do now. ``bank_url`` is '' unless the bank wants to see them;
    ``held_until`` is None unless the order waits for them while its units are kept."""

    card: bool
    bank_url: str
    cancel: bool
    send_back: bool
    held_until: datetime | None


@dataclass(frozen=True, slots=True)
class Story:
    """Where an order stands, in words for its shopper.

    ``pending``: it goes on by itself, soon. ``look_again_seconds``: when the page may have changed
    without its shopper; None when it will not.
    """

    headline: str
    lead: str
    steps: tuple[Step, ...]
    items: tuple[Item, ...]
    parcels: tuple[Parcel, ...]
    refunds: tuple[MoneyBack, ...]
    returns: tuple[WayBack, ...]
    history: tuple[Entry, ...]
    offers: Offers
    refunded_cents: int
    refunding_cents: int
    pending: bool
    look_again_seconds: int | None
