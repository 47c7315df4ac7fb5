"""From the outbox to the broker: claim → publish a batch → one wait for confirms → delete.

The claim is the row lock itself (FOR UPDATE SKIP LOCKED), held while the batch is published: the
one place where a remote call happens inside a transaction. The locks are on outbox rows that
nobody waits for, the call is bounded by the confirm timeout, and a relay that dies frees its
rows at once, which a claim written into the row could not do. A crash between confirm and commit
publishes twice, by design; it never loses.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from celery import Celery
from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, transaction

from tasks import claim
from tasks.clock import SYSTEM_CLOCK
from tasks.heartbeat import Heartbeat
from tasks.models import OutboxMessage
from tasks.pace import pause_seconds
from tasks.published import tell_published
from tasks.publisher import BatchPublisher, BrokerBlocked, PublishFailed, Settled
from tasks.relay_observer import SILENT_RELAY_OBSERVER, RelayObserver
from tasks.settling import settle
from tasks.unpublishable import keep_unpublishable

log = structlog.get_logger(__name__)

# Short, so that hardly any lag is left over from an outage.
_OUTAGE_PAUSE_SECONDS = 0.5
_TEND_EVERY_SECONDS = 1.0
# A full queue is left alone for so long; the messages of other queues go on meanwhile.
_FULL_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Round:
    claimed: int
    published: int


class Relay:
    """Any number may run side by side. ``stop`` may be called from a signal handler."""

    def __init__(self, app: Celery, observer: RelayObserver = SILENT_RELAY_OBSERVER) -> None:
        self._clock = SYSTEM_CLOCK
        self._observer = observer
        self._heartbeat = Heartbeat(settings.HEARTBEAT_FILE)
        self._publisher = BatchPublisher(
            app,
            confirm_timeout_seconds=settings.RELAY_CONFIRM_TIMEOUT_SECONDS,
            on_blocked=self._say_blocked,
        )
        self._claim = claim.Claim(settings.RELAY_BATCH_SIZE)
        self._full_until: dict[str, float] = {}  # task → when its queue is tried again
        self._worked_at = self._tended_at = self._clock.monotonic()
        self._stop = threading.Event()

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """Publish until stopped. Waits longer the longer there is nothing to do."""
        while not self._stop.is_set():
            self._heartbeat.touch()
            try:
                pause = self._turn()
            except BrokerBlocked:
                self._wait_until_unblocked()
            except PublishFailed as error:
                self._wait_for_broker(error)
            except DatabaseTrouble as error:
                log.warning("relay_waits", error=f"{type(error).__name__}: {error}")
                close_old_connections()
                self._stop.wait(_OUTAGE_PAUSE_SECONDS)
            else:
                self._stop.wait(pause)
        self.close()

    def close(self) -> None:
        self._publisher.close()

    def _turn(self) -> float:
        """Look, publish what is due, and say how long to wait."""
        due = self._claim.next_due_seconds()
        if due is not None and due <= 0:
            while self.run_once().claimed == settings.RELAY_BATCH_SIZE:
                self._heartbeat.touch()
                if self._stop.is_set():
                    break
        now = self._clock.monotonic()
        if now - self._tended_at >= _TEND_EVERY_SECONDS:
            self._tended_at = now
            self._publisher.tend()
        return pause_seconds(now - self._worked_at, due)

    def run_once(self) -> Round:
        """One batch. Raises PublishFailed when the broker is away, django.db.Error likewise."""
        with transaction.atomic():
            batch = self._claim.take(without_tasks=self._full())
            if not batch:
                return Round(0, 0)
            began = self._clock.monotonic()
            settled = settle(
                self._publisher, batch, deadline=began + settings.RELAY_CONFIRM_TIMEOUT_SECONDS
            )
            seconds = self._clock.monotonic() - began
            for message in batch:
                if message.pk in settled.unpublishable:
                    bad = settled.unpublishable[message.pk]
                    keep_unpublishable(message, bad.kind, bad.reason)
            claim.delete([*settled.confirmed, *settled.unpublishable])
        self._tell(batch, settled, seconds)
        return Round(len(batch), len(settled.confirmed))

    def _tell(self, batch: Sequence[OutboxMessage], settled: Settled, seconds: float) -> None:
        now = self._clock.monotonic()
        if settled.confirmed or settled.unpublishable:
            self._worked_at = now
        self._observer.batch(len(batch), len(settled.confirmed), seconds)
        confirmed = [message for message in batch if message.pk in settled.confirmed]
        tell_published(confirmed, time.time() - seconds)
        for message_id, bad in settled.unpublishable.items():
            self._observer.refused(bad.kind)
            log.error("unpublishable", message_id=str(message_id), kind=bad.kind, reason=bad.reason)
        if settled.nacked:
            self._rest(batch, settled, now)

    def _rest(self, batch: Sequence[OutboxMessage], settled: Settled, now: float) -> None:
        """Leave queues alone that take no more: they are full, or have lost their majority."""
        refused = {message.task for message in batch if message.pk in settled.nacked}
        queues = {settings.TASK_QUEUES[task] for task in refused}
        for task, queue in settings.TASK_QUEUES.items():
            if queue in queues:
                self._full_until[task] = now + _FULL_PAUSE_SECONDS
        for _ in settled.nacked:
            self._observer.refused("QueueFull")
        log.error("queue_full_or_failing", queues=sorted(queues), kept=len(settled.nacked))

    def _full(self) -> list[str]:
        now = self._clock.monotonic()
        self._full_until = {task: at for task, at in self._full_until.items() if at > now}
        return list(self._full_until)

    # -- waiting for the broker -----------------------------------------------

    def _wait_for_broker(self, error: PublishFailed) -> None:
        """Try to connect until it works. The database is not touched, and no attempt counted."""
        log.warning("relay_waits", error=str(error))
        while not self._stop.wait(_OUTAGE_PAUSE_SECONDS):
            self._heartbeat.touch()
            try:
                self._publisher.open()
            except Exception as still:  # noqa: BLE001  # whatever keeps us from connecting
                log.debug("relay_still_waits", error=f"{type(still).__name__}: {still}")
                continue
            log.warning("relay_goes_on")
            return

    def _wait_until_unblocked(self) -> None:
        """The rows are free again meanwhile; the broker tells us on this connection."""
        while self._publisher.blocked and not self._stop.is_set():
            self._heartbeat.touch()
            self._publisher.tend(_OUTAGE_PAUSE_SECONDS)

    def _say_blocked(self, is_blocked: bool) -> None:
        self._observer.blocked(is_blocked)
        if is_blocked:
            log.error("relay_blocked", reason="RabbitMQ is short of memory or disk; rows are kept")
        else:
            log.warning("relay_unblocked")
