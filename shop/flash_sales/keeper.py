"""The keeper of flash sales: everything that time does, in one process, while another stands by.

All is looked at twice a second; units that somebody may be waiting for are freed more often, also
between the gates of many sales. An advisory lock makes it one: two at once would sell nothing
twice, since each change of the database is conditional, but one that tells a gate what it has read
a while ago could leave it a unit short. A keeper that dies loses the lock with its connection, and
the one that stands by goes on.
"""

import threading
import time
from contextlib import suppress
from datetime import timedelta

import redis
import structlog
from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, connection
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from orders.errors import OrderError
from shop.flash_sales import log as sale_log
from shop.flash_sales import selling
from shop.flash_sales.dropping import drop_old_gates
from shop.flash_sales.errors import NotAllowed
from shop.flash_sales.expiring import expire_declined, expire_unused, follow_ended, follow_paid
from shop.flash_sales.gate import GateAway
from shop.flash_sales.models import FlashSale, SaleItem
from shop.flash_sales.published import publish_all
from shop.flash_sales.rebuilding import build_gates, gated_items
from shop.flash_sales.reconciling import Reconciler
from shop.flash_sales.rehearsal_limits import tidy_rehearsals
from shop.flash_sales.sampling import take_sample
from shop.flash_sales.states import SaleStatus
from tasks.heartbeat import Heartbeat

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
FREE_SECONDS = 0.2
SETTLE_SECONDS = 1.0
"""After a gate was lost, what it had granted has so long to be written down, before it is built."""

_LOCK_KEY = 7_305_804_402  # any number that nobody else locks
_WAIT_SECONDS = 0.4
_DROP_SECONDS = 60.0
_PAID_AT_ONCE, _PAID_PARTS = 10, 50


class Keeper:
    """``stop`` may be called from a signal handler."""

    def __init__(self) -> None:
        self._heartbeat = Heartbeat(settings.HEARTBEAT_FILE)
        self._stop = threading.Event()
        self._locked_on: object = None
        self._is_waiting = False
        self._lost_at: dict[int, float] = {}  # sale → when its gate was found lost, monotonic
        self._away: set[int] = set()  # sales whose gate does not answer
        self._reconciler = Reconciler()
        self._freed_at = self._looked_at = self._dropped_at = float("-inf")  # monotonic

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """Keep the sales until stopped; wait while another keeper does."""
        while not self._stop.is_set():
            self._heartbeat.touch()
            pause = _WAIT_SECONDS
            try:
                if self._is_single():
                    self._keep_on()
                    pause = FREE_SECONDS
            except DatabaseTrouble as error:
                log.warning("keeper_waits", error=f"{type(error).__name__}: {error}")
                connection.close()
            self._stop.wait(pause)
        close_old_connections()
        connection.close()

    def keep_once(self) -> None:
        """One look at everything. Raises django.db.Error; the rest is for the next look."""
        self._looked_at = time.monotonic()
        self._free()
        for step in (
            self._end_sales,
            self._follow_paid,
            tidy_rehearsals,
            self._tend_gates,
            self._drop_old_gates,
            self._sample,
            self._publish,
        ):
            step()
            self._free_again()

    def _keep_on(self) -> None:
        if time.monotonic() - self._looked_at >= TICK_SECONDS:
            self.keep_once()
        else:
            self._free()

    def _free(self) -> None:
        """What somebody in line may be waiting for."""
        self._freed_at = time.monotonic()
        expire_unused()
        expire_declined()
        follow_ended()

    def _free_again(self) -> None:
        """Nobody in line waits for the rest of a look."""
        if time.monotonic() - self._freed_at >= FREE_SECONDS:
            self._free()

    # -- sales -------------------------------------------------------------------

    def _end_sales(self) -> None:
        shown = FlashSale.objects.filter(status__in=selling.RUNNING, ends_at__lte=Now())
        for sale in shown:
            with suppress(NotAllowed, OrderError):  # ended by somebody else, or busy: the next look
                selling.end(sale.pk, actor=sale_log.KEEPER)
        unclosed = SaleItem.objects.filter(
            sale__status=SaleStatus.ENDED, set_aside__isnull=False, set_aside__closed_at=None
        )
        for sale_id in unclosed.order_by().values_list("sale_id", flat=True).distinct():
            with suppress(OrderError):
                selling.give_back_free(sale_id, actor=sale_log.KEEPER)

    def _follow_paid(self) -> None:
        for _ in range(_PAID_PARTS):
            if follow_paid(_PAID_AT_ONCE) < _PAID_AT_ONCE:
                return
            self._free_again()

    # -- gates -------------------------------------------------------------------

    def _tend_gates(self) -> None:
        by_sale: dict[int, list[SaleItem]] = {}
        for item in gated_items():
            by_sale.setdefault(item.sale_id, []).append(item)
        for sale_id, items in by_sale.items():
            self._free_again()
            try:
                self._tend(items[0].sale, items)
            except GateAway as error:
                if sale_id not in self._away:
                    self._away.add(sale_id)
                    log.warning("gate_away", sale_id=sale_id, error=str(error))
                    text = "The gate does not answer; the sale waits for it."
                    sale_log.record(sale_id, "gate_away", text, actor=sale_log.KEEPER)
            else:
                self._away.discard(sale_id)

    def _tend(self, sale: FlashSale, items: list[SaleItem]) -> None:
        # Every one is looked at, also after one that is lost.
        whole = [self._reconciler.look(item) for item in items]
        if all(whole):
            self._lost_at.pop(sale.pk, None)
            return
        now = time.monotonic()
        if sale.generation and sale.pk not in self._lost_at:
            self._lost_at[sale.pk] = now
            log.warning("gate_lost", sale_id=sale.pk)
            text = "The gate was lost. The sale pauses until it is built again."
            sale_log.record(sale.pk, "gate_lost", text, actor=sale_log.KEEPER)
        lost_at = self._lost_at.get(sale.pk, 0.0)
        if now - lost_at >= SETTLE_SECONDS and build_gates(sale):
            log.info("gate_built", sale_id=sale.pk, generation=sale.generation + 1)
            text = f"The gate was built, for the {_nth(sale.generation + 1)} time."
            sale_log.record(sale.pk, "gate_built", text, actor=sale_log.KEEPER)
            self._lost_at.pop(sale.pk, None)

    def _drop_old_gates(self) -> None:
        if time.monotonic() - self._dropped_at < _DROP_SECONDS:
            return
        self._dropped_at = time.monotonic()
        with suppress(GateAway):
            drop_old_gates(actor=sale_log.KEEPER)

    # -- pages and plots ---------------------------------------------------------

    def _sample(self) -> None:
        now = timezone.now()
        soon = Q(status__in=selling.RUNNING, starts_at__lte=now + timedelta(minutes=1))
        unpaid = Q(status=SaleStatus.ENDED, items__held__gt=0)
        for sale in FlashSale.objects.filter(soon | unpaid).distinct():
            take_sample(sale, now)

    def _publish(self) -> None:
        with suppress(redis.RedisError):  # pages read the database meanwhile
            publish_all()

    def _is_single(self) -> bool:
        """Have the advisory lock on this very connection; it ends with it."""
        connection.ensure_connection()
        if self._locked_on is connection.connection:
            return True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK_KEY])
            if not cursor.fetchone()[0]:
                if not self._is_waiting:
                    self._is_waiting = True
                    log.info("keeper_stands_by")
                return False
        self._is_waiting = False
        self._locked_on = connection.connection
        log.info("keeper_begins")
        return True


def _nth(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
