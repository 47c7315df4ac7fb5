"""How long payments take, and how long the oldest row of some kind has waited."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Max

from shop.flash_sales.models import Ticket
from tasks.ages import age_of
from tasks.models import OutboxMessage

_NEWEST_PAYMENTS = 200


@dataclass(frozen=True, slots=True)
class Payments:
    """Of the newest paid orders: seconds from the order to the money."""

    count: int
    median_seconds: float
    slow_seconds: float


def payments_of(sale_id: int) -> Payments | None:
    """None before the first one."""
    paid = Ticket.objects.filter(item__sale=sale_id, order__paid_at__isnull=False)
    newest = paid.order_by("-order__paid_at")[:_NEWEST_PAYMENTS]
    pairs = newest.values_list("order__placed_at", "order__paid_at")
    seconds = sorted(
        (paid_at - placed_at).total_seconds() for placed_at, paid_at in pairs if paid_at
    )
    if not seconds:
        return None
    last = len(seconds) - 1
    return Payments(len(seconds), seconds[last // 2], seconds[round(last * 0.95)])


def oldest_message_seconds() -> float:
    """Of all the shop, since workers serve its messages in one line; 0 when none is due."""
    return oldest_seconds(OutboxMessage.objects.all(), "not_before")


def oldest_seconds(rows: Any, column: str) -> float:
    """Since the earliest ``column`` of these rows; 0 when there is none, or it is to come."""
    oldest = rows.order_by().aggregate(age=Max(age_of(column)))["age"]
    return max(0.0, float(oldest or 0.0))
