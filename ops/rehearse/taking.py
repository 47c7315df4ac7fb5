"""Taking rehearsals, one after another, as long as nobody else does."""

import time
from typing import NoReturn

import structlog
from django.db import Error as DatabaseTrouble
from django.db import connection

from ops.rehearse.performance import perform
from ops.stack.running import RunningStack
from shop.flash_sales import rehearsing
from shop.flash_sales.models import Rehearsal
from shop.flash_sales.rehearsal_limits import end_shadows
from shop.flash_sales.states import RehearsalStatus

log = structlog.get_logger(__name__)

LOCK_KEY = 7_305_804_403  # any number that nobody else locks
_LOOK_SECONDS = 1.0

ENDED_BEFORE = (
    "The process that ran it ended before the rehearsal did: it was stopped or killed. Nothing is "
    "known of how it went; ask for another one."
)
STOPPED = "It was stopped on the way, together with the stack or its part 'rehearser'."


class Taker:
    """A second one does no harm: it waits for the first to end."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self._locked_on: object = None

    def run(self) -> NoReturn:
        """Until a KeyboardInterrupt."""
        while True:
            try:
                self.look_once()
            except DatabaseTrouble as error:
                log.warning("rehearser_waits", error=f"{type(error).__name__}: {error}")
                connection.close()
            time.sleep(_LOOK_SECONDS)

    def look_once(self) -> bool:
        """Take one and see it through. False when there was nothing to do. Raises django.db.Error,
        KeyboardInterrupt."""
        if not self._is_single():
            return False
        rehearsal = rehearsing.claim_next()
        if rehearsal is None:
            return False
        log.info("rehearsal_begins", rehearsal_id=rehearsal.pk)
        try:
            perform(self._stack, rehearsal)
        except KeyboardInterrupt:
            # It may have come in the middle of a statement.
            connection.close()
            rehearsing.fail(rehearsal.pk, STOPPED)
            raise
        except Exception as error:
            log.exception("rehearsal_failed", rehearsal_id=rehearsal.pk)
            connection.close()
            rehearsing.fail(rehearsal.pk, f"{type(error).__name__}: {error}")
        finally:
            end_shadows()
        return True

    def _is_single(self) -> bool:
        """Have the advisory lock on this very connection; it ends with it."""
        connection.ensure_connection()
        if self._locked_on is connection.connection:
            return True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY])
            if not cursor.fetchone()[0]:
                return False
        self._locked_on = connection.connection
        # Nobody else takes any: what runs by its row was left by one that is gone.
        left = Rehearsal.objects.filter(status=RehearsalStatus.RUNNING)
        for rehearsal_id in left.values_list("pk", flat=True):
            rehearsing.fail(rehearsal_id, ENDED_BEFORE)
        end_shadows()
        return True
