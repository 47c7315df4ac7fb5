"""Taking an order: one transaction that holds the stock and leaves the first message behind."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from orders import events, metrics, selectors
from orders.errors import EmptyOrder, OutOfStock, UnknownSku
from orders.locked import honest_about_locks
from orders.models import Order, OrderLine
from orders.services import payment as payments
from orders.services import stock
from orders.services.cards import Card
from orders.services.timeline import SHOPPER, record_event
from tasks.tracing import current_trace_id

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LineRequest:
    """What the shopper agreed to: the title and price as they were shown."""

    sku: str
    title: str
    unit_price_cents: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Address:
    """``country`` is ISO 3166 alpha-2; ``line2`` may be empty."""

    name: str
    line1: str
    line2: str
    postcode: str
    city: str
    country: str


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """One checkout. ``idempotency_key`` is drawn with the page and stable over every resubmit.

    ``customer_id`` is the user whose account lists it, None for a guest; ``language`` is one of
    ``settings.LANGUAGES``. ``set_asides``: SKU → what its units are taken from
    (``orders.services.set_aside``); others are taken from what everybody may buy. ``hold_until``:
    when the units go back unless they are paid; None: after ``settings.HOLD_SECONDS``. ``within``
    is called in the placing transaction before any stock is held; what it raises undoes all.
    """

    idempotency_key: UUID
    email: str
    address: Address
    lines: tuple[LineRequest, ...]
    card: Card
    currency: str
    customer_id: int | None = None
    language: str = "en"
    set_asides: Mapping[str, int] = field(default_factory=dict)
    hold_until: datetime | None = None
    within: Callable[[Order], None] | None = None


def place_order(command: PlaceOrder) -> Order:
    """Place the order, or return the one that this key has already placed.

    Raises EmptyOrder, UnknownSku, OutOfStock (with every short line; nothing is held then), Busy
    when the database could not be had in time, and what ``within`` raises. Nothing is charged here
    and no broker is needed: the payment is a message in the outbox.
    """
    command = replace(command, lines=_merged(command.lines))
    existing = selectors.order_by_key(command.idempotency_key)
    if existing is not None:
        return existing
    try:
        with honest_about_locks(), transaction.atomic():
            order = _place(command)
    except IntegrityError:
        # A twin of this request committed first: the unique key made us wait for it, then refused.
        winner = selectors.order_by_key(command.idempotency_key)
        if winner is None and _is_gone(command.customer_id):
            return place_order(replace(command, customer_id=None))
        if winner is None:
            raise
        return winner
    log.info("order_placed", subject=order.subject, number=order.number)
    return order


def _is_gone(customer_id: int | None) -> bool:
    """The account was deleted while this was under way: then it is a guest's order."""
    return customer_id is not None and not User.objects.filter(pk=customer_id).exists()


def _place(command: PlaceOrder) -> Order:
    order = _create_order(command)
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            sku=line.sku,
            title=line.title,
            unit_price_cents=line.unit_price_cents,
            quantity=line.quantity,
        )
        for line in command.lines
    )
    payments.open_payment(order, command.card, form_key=command.idempotency_key)
    record_event(order.pk, "placed", "Order received.", actor=SHOPPER)
    events.order_placed(order)
    if command.within is not None:
        command.within(order)
    # Last before the commit, so that the row of a hot SKU is locked for the shortest time.
    stock.hold_lines(order, set_asides=command.set_asides)
    metrics.order_placed()
    return order


def _create_order(command: PlaceOrder) -> Order:
    address = command.address
    return Order.objects.create(
        idempotency_key=command.idempotency_key,
        email=command.email,
        customer_id=command.customer_id,
        language=command.language,
        ship_to_name=address.name,
        ship_to_line1=address.line1,
        ship_to_line2=address.line2,
        ship_to_postcode=address.postcode,
        ship_to_city=address.city,
        ship_to_country=address.country,
        currency=command.currency,
        total_cents=sum(line.unit_price_cents * line.quantity for line in command.lines),
        trace_id=current_trace_id(),
        hold_expires_at=command.hold_until or Now() + timedelta(seconds=settings.HOLD_SECONDS),
    )


def _merged(lines: tuple[LineRequest, ...]) -> tuple[LineRequest, ...]:
    """One line per SKU, SKUs sorted: two lines of one SKU must not pass the check one by one."""
    if not lines:
        raise EmptyOrder("The cart is empty. Put something into it first.")
    wanted: dict[str, int] = defaultdict(int)
    for line in lines:
        if line.quantity < 1:
            raise EmptyOrder(f"{line.title}: the quantity must be at least 1.")
        wanted[line.sku] += line.quantity
    by_sku = {line.sku: line for line in lines}
    return tuple(replace(by_sku[sku], quantity=wanted[sku]) for sku in sorted(wanted))


__all__ = [
    "Address",
    "LineRequest",
    "OutOfStock",
    "PlaceOrder",
    "UnknownSku",
    "place_order",
]
