"""Reading the stream for one group: receive → handle → done, until stopped."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections

from tasks.events import receipts
from tasks.events.address import Address
from tasks.events.chosen import make_sink, make_source
from tasks.events.dead_events import unwrap
from tasks.events.envelope import Event, NotAnEvent
from tasks.events.handling import Done, Handler, Handling
from tasks.events.sink import BrokerTrouble, EventSource, Received

log = structlog.get_logger(__name__)

_WAIT_SECONDS = 0.5
_LAG_EVERY_SECONDS = 10.0
_OUTAGE_MAX_SECONDS = 5.0
_DEAD_LETTER_SECONDS = 10.0
# A member of a Kafka group gets its partitions after some seconds.
_FIRST_WAIT_SECONDS, _NEXT_WAIT_SECONDS = 12.0, 3.0


@dataclass(frozen=True, slots=True)
class Lag:
    """``events`` that wait for the group, None when the broker cannot tell; ``seconds`` between an
    event and its handling, 0 when the group has caught up."""

    events: int | None = None
    seconds: float = 0.0


class EventConsumer:
    """One consumer of a group. ``stop`` may be called from a signal handler.

    ``on_lag`` is told the lag about every ten seconds, for metrics.
    """

    def __init__(
        self,
        address: Address,
        group: str,
        handler: Handler,
        *,
        on_lag: Callable[[Lag], None] = lambda _: None,
    ) -> None:
        self._address = address
        self._group = group
        self._on_lag = on_lag
        self._stop = threading.Event()
        self._dead_letters = make_sink(
            address.dead_letters(group), timeout_seconds=_DEAD_LETTER_SECONDS
        )
        self._handling = Handling(group, handler, self._dead_letters, self._stop.wait)
        self._late_seconds = 0.0
        self._looked_at = time.monotonic()
        self.counts = dict.fromkeys(Done, 0)

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """Handle events until stopped; a broker that goes away is waited for."""
        pause = _WAIT_SECONDS
        while not self._stop.is_set():
            before = sum(self.counts.values())
            try:
                self._read(self._address)
            except (BrokerTrouble, DatabaseTrouble) as error:
                close_old_connections()
                log.warning("event_consumer_waits", group=self._group, trouble=str(error))
                moved = sum(self.counts.values()) > before
                pause = _WAIT_SECONDS if moved else min(pause * 2, _OUTAGE_MAX_SECONDS)
                self._stop.wait(pause)
        self._dead_letters.close()
        log.info("event_consumer_stopped", group=self._group, **self._told())

    def redrive(self) -> dict[Done, int]:
        """Handle the group's dead letters once more; what fails again is set aside again.

        Ends when all that lay there at the start are done. Raises BrokerTrouble.
        """
        began = datetime.now(UTC)
        source = make_source(self._address.dead_letters(self._group), self._group)
        try:
            wait = _FIRST_WAIT_SECONDS
            while not self._stop.is_set():
                received = source.receive(wait)
                if received is None or not self._redrive_one(source, received, began):
                    break
                wait = _NEXT_WAIT_SECONDS
        finally:
            source.close()
            self._dead_letters.close()
        return self.counts

    def _redrive_one(self, source: EventSource, received: Received, began: datetime) -> bool:
        try:
            letter = unwrap(received.body)
        except NotAnEvent as error:
            log.error("dead_letter_unreadable", error=str(error))
            source.done(received)
            return True
        if letter.failed_at >= began:
            return False  # this run has put it there: everything before it is done
        self._settle(source, received, letter.body)
        return True

    def _read(self, address: Address) -> None:
        source = make_source(address, self._group)
        try:
            while not self._stop.is_set():
                received = source.receive(_WAIT_SECONDS)
                if received is not None:
                    self._settle(source, received, received.body)
                self._look(source, idle=received is None)
        finally:
            source.close()

    def _settle(self, source: EventSource, received: Received, body: bytes) -> None:
        done, event = self._handling.handle(body)
        self.counts[done] += 1
        if done is Done.LEFT:
            return
        # A crash before this line brings the event once more, and its receipt is known by then.
        source.done(received)
        self._late_seconds = _seconds_since(event)

    def _look(self, source: EventSource, *, idle: bool) -> None:
        if idle:
            self._late_seconds = 0.0
        now = time.monotonic()
        if now - self._looked_at < _LAG_EVERY_SECONDS:
            return
        self._looked_at = now
        lag = Lag(source.behind(), round(self._late_seconds, 1))
        self._on_lag(lag)
        log.info(
            "event_lag", group=self._group, events=lag.events, seconds=lag.seconds, **self._told()
        )
        if idle:
            try:
                receipts.prune()
            except DatabaseTrouble:
                close_old_connections()

    def _told(self) -> dict[str, int]:
        return {done.value: count for done, count in self.counts.items()}


def _seconds_since(event: Event | None) -> float:
    return 0.0 if event is None else (datetime.now(UTC) - event.occurred_at).total_seconds()
