"""How often an order's page looks again: often while something moves, never for ever."""

from datetime import datetime, timedelta

from orders.states import FulfilmentStatus, OrderStatus
from orders.story.facts import Facts

_PACES = (
    (timedelta(minutes=2), 1),
    (timedelta(minutes=15), 5),
    (timedelta(hours=24), 30),
)
"""Up to which age of the last change the page looks again after how many seconds."""

_BANK_VISIT_SECONDS = 2
_BANK_VISIT_LIMIT = timedelta(hours=1)
_PARCEL_TO_COME = (FulfilmentStatus.UNFULFILLED, FulfilmentStatus.PACKED)


def is_pending(facts: Facts) -> bool:
    """Whether the order goes on by itself: the bank, the shelf or the first mail is being asked."""
    order = facts.order
    if order.status == OrderStatus.PLACED:
        return not facts.waits_for_bank_visit
    return (
        order.status == OrderStatus.PAID
        and order.fulfilment in _PARCEL_TO_COME
        and not (facts.mailed or facts.mail_refused)
    )


def look_again_seconds(facts: Facts) -> int | None:
    """None when the page stays as it is until its shopper, or the staff, does something.

    Parcels are days under way, and nobody sits and watches: they are not looked after here.
    """
    if facts.waits_for_bank_visit:
        # The shopper comes back from the bank and wants to know at once.
        recent = facts.now - facts.payment.created_at < _BANK_VISIT_LIMIT
        return _BANK_VISIT_SECONDS if facts.held and recent else _paced(facts, _last_change(facts))
    return _paced(facts, _last_change(facts)) if _moves(facts) else None


def _moves(facts: Facts) -> bool:
    return is_pending(facts) or facts.money_may_come or bool(facts.open_refunds)


def _last_change(facts: Facts) -> datetime:
    return max([facts.order.changed_at, *(refund.created_at for refund in facts.refunds)])


def _paced(facts: Facts, since: datetime) -> int | None:
    age = facts.now - since
    return next((seconds for limit, seconds in _PACES if age < limit), None)
