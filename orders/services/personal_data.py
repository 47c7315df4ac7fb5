"""What is held about a person in orders: overwritten once an order has ended.

An order that has not ended needs its address and its mailbox, so its erasure is noted and done by
the sweep. Numbers, amounts, days, things and the country stay: books must be kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.db.models.functions import Coalesce, Now

from orders.locked import honest_about_locks
from orders.locks import lock_order
from orders.models import (
    Invoice,
    Notification,
    Order,
    Payment,
    Refund,
    Return,
    Shipment,
    StockMovement,
    TimelineEvent,
)
from orders.models.order import new_token
from orders.services.timeline import SWEEPER, record_event
from orders.standing import open_business, standing_of
from tasks.sweeping import overdue, sweep

log = structlog.get_logger(__name__)

ERASED = "(erased)"
# An order that has not ended is looked at again after this.
LOOK_AGAIN_SECONDS = 600.0
# Events that repeat a reason that somebody typed. All others are sentences of ours.
_TYPED = ("cancelled", "refund_requested")


@dataclass(frozen=True, slots=True)
class Erasure:
    """What became of one order. ``kept_because`` is empty when its personal data is gone."""

    number: str
    kept_because: str


def ask_for_erasure(order_ids: Iterable[int], *, actor: str) -> list[Erasure]:
    """Erase the personal data of each order that has ended; the others follow when they end.

    Each order is a transaction of its own, so it may be asked again after an error. Raises Busy
    when an order could not be had in time.
    """
    return [_ask(order_id, actor) for order_id in sorted(order_ids)]


def erase_ended_orders() -> int:
    """Erase what was asked for and has ended since; how many orders."""
    asked = Order.objects.filter(erase_asked_at__isnull=False, erased_at=None)
    return sweep(
        overdue(asked, since="erase_asked_at", after_seconds=LOOK_AGAIN_SECONDS), _erase_if_ended
    )


def _ask(order_id: int, actor: str) -> Erasure:
    with honest_about_locks(), transaction.atomic():
        order = lock_order(order_id)
        if order.erase_asked_at is None:
            Order.objects.filter(pk=order_id).update(
                erase_asked_at=Coalesce("erase_asked_at", Now())
            )
            record_event(order_id, "erasure_asked", "Erasure was asked for.", actor=actor)
        reason = open_business(standing_of(order))
        if not reason:
            _overwrite(order, actor)
    return Erasure(order.number, reason)


def _erase_if_ended(order: Order) -> bool:
    with transaction.atomic():
        locked = lock_order(order.pk)
        if open_business(standing_of(locked)):
            return False
        return _overwrite(locked, SWEEPER)


def _overwrite(order: Order, actor: str) -> bool:
    """Under the order's lock, so that nothing is announced to the old address meanwhile."""
    erased = Order.objects.filter(pk=order.pk, erased_at=None).update(
        erased_at=Now(),
        customer=None,
        # The secret link is in mails that others may have read.
        token=new_token(),
        email="",
        ship_to_name=ERASED,
        ship_to_line1=ERASED,
        ship_to_line2="",
        ship_to_postcode="",
        ship_to_city=ERASED,
    )
    if not erased:
        return False
    Notification.objects.filter(order=order).update(
        recipient="", subject="", text="", html="", problem=""
    )
    # The card's brand and last digits stay: they are how books and bank are compared.
    Payment.objects.filter(order=order).update(payment_method=ERASED, redirect_url="")
    Shipment.objects.filter(order=order).update(tracking_code="")
    for invoice in Invoice.objects.filter(order=order):
        to = {
            "name": ERASED,
            "line1": "",
            "line2": "",
            "city": "",
            "country": order.ship_to_country,
        }
        Invoice.objects.filter(pk=invoice.pk).update(facts={**invoice.facts, "to": to})
    # What people typed may name somebody.
    Refund.objects.filter(order=order).update(reason=ERASED)
    Return.objects.filter(order=order).update(reason=ERASED)
    # History is append-only but for this: the words of an erased order may become this one word.
    TimelineEvent.objects.filter(order=order, kind__in=_TYPED).update(text=ERASED)
    StockMovement.objects.filter(line__order=order).exclude(reason="").update(reason=ERASED)
    record_event(order.pk, "erased", "Personal data was erased.", actor=actor)
    log.info("order_erased", subject=order.subject)
    return True
