"""A rehearsal's sign of life: its row is touched while the work goes on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.db import Error as DatabaseTrouble
from django.db import connection

from shop.flash_sales import rehearsing

log = structlog.get_logger(__name__)

EVERY_SECONDS = 5.0


class Overtaken(Exception):
    """Somebody declared the rehearsal failed meanwhile: nobody waits for its end any more."""


class Pulse:
    """``most_seconds``: whatever hangs for longer gives no sign of life any more, and the keeper
    declares it failed."""

    def __init__(self, rehearsal_id: int, most_seconds: float) -> None:
        self._rehearsal_id = rehearsal_id
        self._beats_left = max(1, round(most_seconds / EVERY_SECONDS))
        self._doing = ""
        self._overtaken = threading.Event()
        self._stop = threading.Event()

    def say(self, doing: str) -> None:
        """What it does now, for whoever watches. Raises Overtaken."""
        self._doing = doing
        self.check()
        if not rehearsing.beat(self._rehearsal_id, doing):
            self._overtaken.set()
        self.check()

    def check(self) -> None:
        """Raises Overtaken."""
        if self._overtaken.is_set():
            raise Overtaken("It was declared failed while it ran.")

    @contextmanager
    def beating(self) -> Iterator["Pulse"]:
        """Beat beside the block: what it waits for may take longer than the limit of a beat."""
        thread = threading.Thread(target=self._beat, name="pulse")
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _beat(self) -> None:
        while self._beats_left and not self._stop.wait(EVERY_SECONDS):
            self._beats_left -= 1
            try:
                if not rehearsing.beat(self._rehearsal_id, self._doing):
                    self._overtaken.set()
                    break
            except DatabaseTrouble as error:  # the limit is some beats long
                log.warning("pulse_missed", error=f"{type(error).__name__}: {error}")
                connection.close()
        connection.close()
