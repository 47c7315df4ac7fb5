"""Orders as a file: for a page, and by mail at set times."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from orders.gateways.mailer import Attachment
from orders.models import ExportSchedule, Order, StaffMail
from orders.order_resource import OrderResource
from orders.schedules import due_before, last_due
from orders.services.staff_mail import owe_mail

log = structlog.get_logger(__name__)

MOST_ORDERS = 10_000
# An order carries the time at which its transaction began, and none lasts this long: after it, no
# order of before the due time can still appear.
_SETTLED_AFTER = timedelta(minutes=2)


class TooManyOrders(ValueError):
    """The list is longer than one file may be. Nothing was written."""


@dataclass(frozen=True, slots=True)
class OrderFile:
    """``left_out`` orders did not fit in."""

    content: bytes
    orders: int
    left_out: int


def ensure_exportable(orders: "QuerySet[Order]") -> None:
    """Raises TooManyOrders, with what to do."""
    found = orders.count()
    if found > MOST_ORDERS:
        raise TooManyOrders(
            f"These are {found:,} orders, and a file holds {MOST_ORDERS:,} at most. Narrow the "
            "list by its filters, by day for instance, and export it in parts."
        )


def order_file(orders: "QuerySet[Order]") -> OrderFile:
    """The oldest ``MOST_ORDERS`` of them as CSV in UTF-8, with the mark that Excel looks for."""
    found = orders.count()
    some = Order.objects.filter(pk__in=orders.order_by("pk").values("pk")[:MOST_ORDERS])
    text = OrderResource().export(some.order_by("pk")).export("csv")
    return OrderFile(text.encode("utf-8-sig"), min(found, MOST_ORDERS), max(0, found - MOST_ORDERS))


def send_exports() -> int:
    """Owe a mail for every schedule whose time has come; how many schedules.

    A time that was missed is not made up for by a mail of its own: the next mail begins where the
    last one ended, so no order is left out.
    """
    sent = 0
    for schedule in ExportSchedule.objects.filter(is_active=True):
        try:
            sent += _send(schedule, timezone.now())
        except Exception as error:  # one bad schedule must not keep the others waiting
            log.error("export_failed", schedule=schedule.name, exc_info=error)
    return sent


def _send(schedule: ExportSchedule, now: datetime) -> bool:
    due = last_due(
        schedule.period,
        weekday=schedule.weekday,
        hour=schedule.hour,
        now=timezone.localtime(now - _SETTLED_AFTER),
    )
    if due <= (schedule.last_sent_at or schedule.created_at):
        return False
    since = schedule.last_sent_at or due_before(due, schedule.period)
    with transaction.atomic():
        # As we saw it: a sweep beside us that was faster has moved it, and owes the mail itself.
        ours = ExportSchedule.objects.filter(
            pk=schedule.pk, is_active=True, last_sent_at=schedule.last_sent_at
        )
        if not ours.update(last_sent_at=due):
            return False
        placed = Order.objects.filter(placed_at__gte=since, placed_at__lt=due)
        file = order_file(placed)
        owe_mail(
            schedule.addresses,
            StaffMail.Kind.EXPORT,
            cause=f"{schedule.pk}:{due.isoformat()}",
            subject=f"{schedule.name}: {file.orders} orders to {due:%Y-%m-%d %H:%M}",
            text=_text(schedule, file, timezone.localtime(since), due),
            attachment=Attachment(f"orders-{due:%Y-%m-%d}.csv", file.content, "text/csv"),
        )
    return True


def _text(schedule: ExportSchedule, file: OrderFile, since: datetime, due: datetime) -> str:
    lines = [
        f"{file.orders} orders placed from {since:%Y-%m-%d %H:%M} to {due:%Y-%m-%d %H:%M} "
        f"({settings.TIME_ZONE}) are attached."
    ]
    if file.left_out:
        lines.append(
            f"{file.left_out} more did not fit into one file. They are in the admin: "
            + settings.SITE_URL
            + reverse("admin:orders_order_changelist")
        )
    lines.append(f"This mail comes {schedule.get_period_display()}.")
    return "\n\n".join(lines)
