"""From the outbox to the broker: claim → publish a batch → one wait for confirms → delete.

The claim is the row lock itself (FOR UPDATE SKIP LOCKED), held while the batch is published: the
one place where a remote call happens inside a transaction. The locks are on outbox rows that
nobody else waits for, the call is bounded by the confirm timeout, and a relay that dies frees its
rows at once, which a claim written into the row could not do. A crash between confirm and commit
publishes twice, by design; it never loses.
"""

import threading
import time
from dataclasses import dataclass

import structlog
from celery import Celery
from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, connection, transaction
from django.db.models.functions import Now

from tasks.heartbeat import Heartbeat
from tasks.models import OutboxMessage
from tasks.published import tell_published
from tasks.publisher import BatchPublisher, PublishFailed

log = structlog.get_logger(__name__)

_POLL_MIN_SECONDS = 0.01
_POLL_MAX_SECONDS = 0.2
_OUTAGE_MAX_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Round:
    claimed: int
    published: int


class Relay:
    """Any number may run side by side. ``stop`` may be called from a signal handler."""

    def __init__(self, app: Celery) -> None:
        self._publisher = BatchPublisher(
            app, confirm_timeout_seconds=settings.RELAY_CONFIRM_TIMEOUT_SECONDS
        )
        self._stop = threading.Event()

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """Publish until stopped. Waits longer the longer there is nothing to do."""
        heartbeat = Heartbeat(settings.HEARTBEAT_FILE)
        pause = _POLL_MIN_SECONDS
        while not self._stop.is_set():
            heartbeat.touch()
            try:
                done = self.run_once()
            except (PublishFailed, DatabaseTrouble) as error:
                log.warning("relay_waits", error=f"{type(error).__name__}: {error}")
                close_old_connections()
                pause = min(max(pause, _POLL_MAX_SECONDS) * 2, _OUTAGE_MAX_SECONDS)
                self._stop.wait(pause)
                continue
            if done.published == settings.RELAY_BATCH_SIZE:
                continue  # a backlog: go on at once
            pause = _POLL_MIN_SECONDS if done.published else min(pause * 1.5, _POLL_MAX_SECONDS)
            self._stop.wait(pause)
        self.close()

    def close(self) -> None:
        self._publisher.close()

    def run_once(self) -> Round:
        """One batch. Raises PublishFailed when the broker is away, django.db.Error likewise."""
        with transaction.atomic():
            batch = list(
                OutboxMessage.objects.select_for_update(skip_locked=True)
                .filter(not_before__lte=Now())
                .order_by("not_before")[: settings.RELAY_BATCH_SIZE]
            )
            if not batch:
                return Round(0, 0)
            began_at = time.time()
            confirmed, refused = self._publisher.publish(batch)
            tell_published([m for m in batch if m.pk in confirmed], began_at)
            # By raw SQL: the ORM would first collect what a cascade could reach, row by row.
            with connection.cursor() as cursor:
                cursor.execute(
                    f"DELETE FROM {OutboxMessage._meta.db_table} WHERE id = ANY(%s::uuid[])",  # noqa: S608  # no input
                    [[str(message_id) for message_id in confirmed]],
                )
        for message_id, reason in refused.items():
            log.error("publish_refused", message_id=str(message_id), reason=reason)
        if refused and not confirmed:
            raise PublishFailed(f"all {len(refused)} messages were refused")
        return Round(len(batch), len(confirmed))
