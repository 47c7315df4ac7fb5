"""The worker's consumer: what no task will ever see becomes a dead letter.

Celery acknowledges a message that it cannot decode and only logs it, and a body of an odd shape
ends its main process. Here each message is looked at first. What is wrong is written down with the
worker's name, then rejected into the dead queue; if the process stops in between, or PostgreSQL is
away, the collector finds it there and writes the row.

``settings.CELERY_WORKER_CONSUMER`` names this class.
"""

from collections.abc import Callable
from typing import Any

import structlog
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer
from django.db import connection
from kombu.message import Message

from tasks import dead_letters
from tasks.causes import Cause
from tasks.incoming import Fault, delivery_of, fault_of

log = structlog.get_logger(__name__)


class PlatformConsumer(Consumer):
    # Set by Celery, whose stubs do not know them.
    strategies: dict[str, Any]
    connection_errors: tuple[type[Exception], ...]

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], Any]:
        handle = super().create_task_handler(*args, **kwargs)

        def look_first(message: Message) -> Any:
            fault = fault_of(message, self.strategies)
            return handle(message) if fault is None else self._bury(message, fault)

        return look_first

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """kombu's own way to say so, for what it could not even unpack."""
        self._bury(message, Fault(Cause.UNDECODABLE, exc))

    def on_invalid_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Celery refuses it for its headers, e.g. an expiry that is no time."""
        self._bury(message, Fault(Cause.UNDECODABLE, exc))

    def _bury(self, message: Message, fault: Fault) -> None:
        delivery = delivery_of(message, worker=str(self.hostname))
        names = {"task": delivery.task, "subject": delivery.subject, "message": delivery.message_id}
        log.error("message_rejected", cause=fault.cause, error=repr(fault.error)[:500], **names)
        try:
            dead_letters.record(delivery, fault.error, fault.cause.label, fault.cause)
        except Exception as trouble:  # noqa: BLE001  # PostgreSQL is away, or worse: it must not end the worker
            log.warning("left_to_the_collector", error=repr(trouble)[:500], **names)
        finally:
            # This process forks the others: an open connection would be shared with them.
            connection.close()
        message.reject_log_error(get_logger(__name__), self.connection_errors)
