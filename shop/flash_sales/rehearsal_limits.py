"""What time does to rehearsals: nobody waits for one that nobody runs, and no shadow is left."""

from contextlib import suppress
from datetime import timedelta

from django.db.models.functions import Now

from orders.errors import OrderError
from shop.flash_sales import log, selling
from shop.flash_sales.errors import NotAllowed
from shop.flash_sales.models import FlashSale, Rehearsal
from shop.flash_sales.states import OPEN_REHEARSALS, RehearsalStatus, SaleStatus

ASKED_LIMIT = timedelta(minutes=10)
HEARTBEAT_LIMIT = timedelta(minutes=2)

NOBODY_TOOK_IT = (
    "Nobody took it within 10 minutes. The part 'rehearser' does not run: './dev status' tells, "
    "'./dev up' starts it."
)
NO_SIGN_OF_LIFE = (
    "The process that ran it gave no sign of life for 2 minutes. './dev logs rehearser' has its "
    "last words."
)


def tidy_rehearsals() -> None:
    """For the keeper, at every look."""
    fail_overdue()
    end_shadows()


def fail_overdue() -> int:
    """How many were asked for, or begun, and left alone since."""
    return sum(
        Rehearsal.objects.filter(**overdue).update(
            status=RehearsalStatus.FAILED, ended_at=Now(), reason=reason, doing=""
        )
        for overdue, reason in (
            (
                {"status": RehearsalStatus.ASKED, "asked_at__lt": Now() - ASKED_LIMIT},
                NOBODY_TOOK_IT,
            ),
            (
                {"status": RehearsalStatus.RUNNING, "heartbeat_at__lt": Now() - HEARTBEAT_LIMIT},
                NO_SIGN_OF_LIFE,
            ),
        )
    )


def end_shadows() -> None:
    """End the shadow sales whose rehearsal is over, however it ended."""
    left = FlashSale.objects.filter(rehearsal__isnull=False).exclude(status=SaleStatus.ENDED)
    over = left.exclude(rehearsal__status__in=OPEN_REHEARSALS)
    for sale_id in over.values_list("pk", flat=True):
        with suppress(NotAllowed, OrderError):  # ended by somebody else, or busy: the next look
            selling.end(sale_id, actor=log.KEEPER)
