"""Flash sales as numbers for Prometheus: gates that are lost or drift, and tickets that wait."""

from collections import Counter
from collections.abc import Iterable

from django.db.models import Count, Max
from prometheus_client.metrics_core import Metric

from shop.flash_sales.gate import GateAway
from shop.flash_sales.models import Ticket
from shop.flash_sales.rebuilding import gated_items
from shop.flash_sales.reconciling import Difference, difference
from shop.flash_sales.states import LIVE_TICKETS, SaleStatus, TicketStatus
from tasks.ages import age_of
from tasks.metrics.sources import gauge, register


def gates() -> Iterable[Metric]:
    """One answer from the gate for each item of a running sale, each bounded by its timeout; the
    first that is away ends the asking."""
    running = gated_items().exclude(sale__status=SaleStatus.ENDED)
    found: list[Difference] = []
    missing = 0
    for item in running:
        try:
            found.append(difference(item))
        except GateAway:
            missing = len(running) - len(found)
            break
    missing += sum(one.is_lost for one in found)
    yield gauge(
        "flash_sale_gates_missing", "Gates of running sales that are lost.", (), {(): missing}
    )
    yield gauge(
        "flash_sale_gate_drift_units",
        "Units of which the gates say other than the database.",
        (),
        {(): sum(one.units for one in found)},
    )


def waiting() -> Iterable[Metric]:
    live = Ticket.objects.order_by().filter(status__in=LIVE_TICKETS)
    rows = live.values("status").annotate(number=Count("pk"))
    number = Counter({row["status"]: row["number"] for row in rows})
    overdue = live.filter(status=TicketStatus.HELD).aggregate(seconds=Max(age_of("held_until")))
    yield gauge(
        "flash_sale_tickets_waiting",
        "Tickets that are neither paid nor ended.",
        ("state",),
        {(state.value,): number[state.value] for state in LIVE_TICKETS},
    )
    yield gauge(
        "flash_sale_tickets_overdue_seconds",
        "How long ago the longest expired ticket should have been given to the next in line.",
        (),
        {(): max(0.0, overdue["seconds"] or 0.0)},
    )


register("flash_sales", waiting)
register("flash_sale_gates", gates)
