"""What the console shows of a sale: read anew for each look, from database and gate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import BigIntegerField, Count, Func, Max, Min, Q
from django.db.models.functions import Cast, Extract
from django.utils import timezone

from shop.flash_sales.drift import Drift, drift_of
from shop.flash_sales.forecast import sold_out_at
from shop.flash_sales.models import FlashSale, SaleSample, Ticket
from shop.flash_sales.plots import Plot, Series, draw
from shop.flash_sales.rates import per_second
from shop.flash_sales.sampling import Figures, figures_of, read_figures
from shop.flash_sales.states import LIVE_TICKETS, TicketStatus
from shop.flash_sales.waits import Payments, oldest_seconds, payments_of

MOST_POINTS = 240
# What is granted or put in line, apart from what is said no to.
ENTRIES = ("entered", "ticket")


@dataclass(frozen=True, slots=True)
class Look:
    """``oldest_message_seconds``: of all the shop, since workers serve them in one line.
    ``ends_about``: when the last unit is sold at the pace of the last minute; None when nobody can
    say."""

    sale: FlashSale
    at: datetime
    figures: Figures
    drifts: tuple[Drift, ...]
    tickets: dict[str, int]
    oldest_held_seconds: float
    oldest_message_seconds: float
    payments: Payments | None
    ends_about: datetime | None
    plots: tuple[Plot, ...]

    @property
    def is_over(self) -> bool:
        """Nothing will change any more."""
        return self.sale.ended_at is not None and self.figures.held == 0


def look_at(sale: FlashSale) -> Look:
    """Ten queries or so, whatever the length of the sale."""
    now, figures = timezone.now(), figures_of(sale.pk)
    samples = [*_samples(sale), (now, figures)]
    return Look(
        sale=sale,
        at=now,
        figures=figures,
        drifts=tuple(drift_of(item) for item in sale.items.select_related("sale")),
        tickets=_tickets(sale),
        oldest_held_seconds=oldest_seconds(
            Ticket.objects.filter(item__sale=sale, status__in=LIVE_TICKETS), "created_at"
        ),
        oldest_message_seconds=figures.message_seconds or 0.0,
        payments=payments_of(sale.pk),
        ends_about=sold_out_at(samples),
        plots=_plots(samples),
    )


def _samples(sale: FlashSale) -> list[tuple[datetime, Figures]]:
    """Evenly thinned to MOST_POINTS by the database."""
    all_samples = SaleSample.objects.filter(sale=sale).order_by()
    ends = all_samples.aggregate(first=Min("at"), last=Max("at"))
    if ends["first"] is None:
        return []
    step = math.ceil(((ends["last"] - ends["first"]).total_seconds() + 1) / MOST_POINTS)
    second = Cast(Extract("at", "epoch"), BigIntegerField())
    thinned = all_samples.annotate(
        rest=Func(second, step, function="MOD", output_field=BigIntegerField())
    )
    # The newest minute is whole: the forecast is made of it.
    wanted = thinned.filter(Q(rest=0) | Q(at__gte=ends["last"] - timedelta(seconds=60)))
    found = wanted.order_by("at").values_list("at", "figures")
    return [(at, read_figures(stored)) for at, stored in found]


def _tickets(sale: FlashSale) -> dict[str, int]:
    """By the state's words; all states are there."""
    found = Ticket.objects.filter(item__sale=sale).order_by().values_list("status")
    counted = dict(found.annotate(number=Count("pk")))
    return {str(status.label): counted.get(status.value, 0) for status in TicketStatus}


def _plots(samples: Sequence[tuple[datetime, Figures]]) -> tuple[Plot, ...]:
    times = [timezone.localtime(at) for at, _ in samples]
    figures = [one for _, one in samples]
    rates = per_second(samples)
    reasons = sorted({word for one in figures for word in one.clicks} - set(ENTRIES))
    return (
        draw(
            "Units",
            times,
            [
                Series("free", [one.free for one in figures]),
                Series("held", [one.held for one in figures]),
                Series("sold", [one.sold for one in figures]),
            ],
        ),
        draw("People in line", times, [Series("in line", [one.line for one in figures])]),
        draw("Entries each second", times, [Series(word, rates(word)) for word in ENTRIES]),
        draw("Refusals each second", times, [Series(word, rates(word)) for word in reasons]),
        draw(
            "Payment takes, seconds",
            times,
            [
                Series("half within", [one.payment_seconds for one in figures]),
                Series("19 of 20 within", [one.slow_payment_seconds for one in figures]),
            ],
        ),
        draw(
            "Oldest message waits, seconds",
            times,
            [Series("waits", [one.message_seconds for one in figures])],
        ),
    )
