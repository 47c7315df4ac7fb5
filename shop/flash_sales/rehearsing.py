"""The life of a rehearsal: asked for by the staff, taken by one process, ended with a verdict.

The process is not here, since it kills parts of the stack that it runs in: ops.rehearse.rehearser.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from shop.flash_sales import log
from shop.flash_sales.errors import NotAllowed, RehearsalUnderWay
from shop.flash_sales.models import FlashSale, Rehearsal
from shop.flash_sales.rehearsal_limits import fail_overdue
from shop.flash_sales.states import OPEN_REHEARSALS, Kill, RehearsalStatus, SaleStatus

REAL_BANK = (
    "This shop is connected to a real bank, where no invented crowd may order. Rehearsals run in a "
    "private stack with a bank of its own: './dev up' on a machine for development."
)
NO_STACK = (
    "Rehearsals run in a private stack, which is started by './dev up' on a machine for "
    "development: parts of the shop may be killed on the way. Here is none."
)


@dataclass(frozen=True, slots=True)
class NewRehearsal:
    """Shares are whole percents of the crowd; the first three are at most 100 together."""

    units: int
    crowd: int
    declines_percent: int = 10
    abandon_percent: int = 10
    bots_percent: int = 2
    double_click_percent: int = 20
    hold_seconds: int = 20
    kill: Kill = Kill.NOTHING


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went. No ``faults`` is a rehearsal that held; ``endings``: people by their answer."""

    endings: Mapping[str, int] = field(default_factory=dict)
    faults: Sequence[str] = ()
    report: str = ""
    proof: str = ""


def refusal() -> str:
    """Why there can be no rehearsal in this installation; empty when there can."""
    if not settings.STRIPE_API_BASE:
        return REAL_BANK
    return "" if settings.REHEARSALS else NO_STACK


def ask(sale_id: int, new: NewRehearsal, *, actor: str) -> Rehearsal:
    """Ask for a rehearsal of this sale; whoever rehearses takes it within seconds.

    Raises NotAllowed where there can be none or the sale has ended or is one itself,
    RehearsalUnderWay while another one waits or runs.
    """
    if why_not := refusal():
        raise NotAllowed(why_not)
    fail_overdue()
    try:
        with transaction.atomic():
            return _ask(FlashSale.objects.get(pk=sale_id), new, actor)
    except IntegrityError as error:
        # A second press at the same moment: the first one's row is there by now.
        raise _under_way() or error from error


def claim_next() -> Rehearsal | None:
    """Take the one that was asked for; None when there is none, or another one runs."""
    asked = Rehearsal.objects.filter(status=RehearsalStatus.ASKED).order_by("pk").first()
    if asked is None:
        return None
    now = Now()
    try:
        with transaction.atomic():
            claimed = _in(RehearsalStatus.ASKED, asked.pk).update(
                status=RehearsalStatus.RUNNING, started_at=now, heartbeat_at=now
            )
    except IntegrityError:  # one_rehearsal_at_a_time
        return None
    # Zero rows: another process took it, or its time was over.
    return Rehearsal.objects.select_related("like").get(pk=asked.pk) if claimed else None


def beat(rehearsal_id: int, doing: str) -> bool:
    """Say that it is at work and on what. False when it does not run any more: stop it then."""
    running = _in(RehearsalStatus.RUNNING, rehearsal_id)
    return bool(running.update(heartbeat_at=Now(), doing=doing[:80]))


def finish(rehearsal_id: int, outcome: Outcome) -> bool:
    """Write the verdict down. False when it was declared failed meanwhile."""
    verdict = RehearsalStatus.BROKEN if outcome.faults else RehearsalStatus.HELD
    return bool(
        _in(RehearsalStatus.RUNNING, rehearsal_id).update(
            status=verdict,
            doing="",
            ended_at=Now(),
            endings=dict(outcome.endings),
            faults=list(outcome.faults),
            report=outcome.report,
            proof=outcome.proof,
        )
    )


def fail(rehearsal_id: int, reason: str) -> bool:
    """It could not be done, or was stopped on the way. False when it had ended before."""
    running = _in(RehearsalStatus.RUNNING, rehearsal_id)
    return bool(
        running.update(status=RehearsalStatus.FAILED, ended_at=Now(), reason=reason[:500], doing="")
    )


def _ask(sale: FlashSale, new: NewRehearsal, actor: str) -> Rehearsal:
    if sale.is_rehearsal or sale.status == SaleStatus.ENDED:
        raise NotAllowed("Only a sale that has not ended, and is no rehearsal, can be rehearsed.")
    if under_way := _under_way():
        raise under_way
    asked = Rehearsal.objects.create(like=sale, asked_by=actor[:150], **asdict(new))
    text = f"Rehearsal {asked.pk}: {new.units} units, {new.crowd} people."
    log.record(sale.pk, "rehearsal_asked", text, actor=actor)
    return asked


def _under_way() -> RehearsalUnderWay | None:
    found = Rehearsal.objects.filter(status__in=OPEN_REHEARSALS).values_list("pk", flat=True)
    return RehearsalUnderWay(found[0]) if found else None


def _in(status: RehearsalStatus, rehearsal_id: int) -> QuerySet[Rehearsal]:
    return Rehearsal.objects.filter(pk=rehearsal_id, status=status)
