"""Emptying the broker's dead queues into the table of dead letters."""

from collections.abc import Container
from typing import Any

import structlog
from celery import current_app
from django.db import InterfaceError, OperationalError
from kombu.message import Message
from kombu.serialization import prepare_accept_content

from tasks import dead_letters, last_words, topology
from tasks.causes import Cause
from tasks.delivery import Delivery
from tasks.incoming import delivery_of, fault_of
from tasks.models import DeadLetter

log = structlog.get_logger(__name__)

_BATCH = 500
BY_BROKER = "DeliveryLimit"
BY_WORKER = "RejectedByWorker"


def collect() -> int:
    """Move what lies in the dead queues into the table; how many were new or known.

    A message leaves its queue only after its row is committed. One that has expired is dropped: its
    sender (beat) had said from when on it is worth nothing, and the broker brings it here instead.
    """
    collected = 0
    with current_app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        known = current_app.tasks
        accept = prepare_accept_content(current_app.conf.accept_content)
        for name in topology.queue_names():
            queue = topology.dead_queue(name)(channel)
            queue.declare()
            for _ in range(_BATCH):
                # Not Queue.get: it raises for what it cannot unpack, which would then lie at the
                # head of the queue for ever.
                raw = channel.basic_get(queue.name, no_ack=False)
                if raw is None:
                    break
                message = channel.message_to_python(raw)
                message.accept = accept
                if _death_of(message)[1] == "expired":
                    message.ack()
                    continue
                try:
                    _take(message, known)
                except (InterfaceError, OperationalError):
                    raise  # PostgreSQL is away: everything waits for the next sweep
                except Exception as error:  # one that cannot be kept holds up no other
                    log.error("cannot_collect", queue=queue.name, exc_info=error)
                    continue  # it goes back to the queue with the connection
                message.ack()
                collected += 1
    return collected


def _take(message: Message, known: Container[str]) -> None:
    delivery = delivery_of(message)
    if _written_down(delivery):
        return
    queue, reason = _death_of(message)
    fault = None if reason == "delivery_limit" else fault_of(message, known)
    if fault is not None:
        dead_letters.record(delivery, fault.error, fault.cause.label, fault.cause)
        return
    words = last_words.about(delivery.message_id)
    if words is not None:
        delivery = words.signed(delivery)
    dead_letters.keep(
        delivery,
        cause=Cause.POISON,
        error_class=BY_BROKER if reason == "delivery_limit" else BY_WORKER,
        error=f"The broker took this message out of {queue} ({reason}): it was delivered again and "
        "again and never settled, or its worker rejected it.\n\n"
        + (words.error if words else "No worker said anything: look for one that died then."),
    )


def _written_down(delivery: Delivery) -> bool:
    """The worker wrote the row before it rejected the message: this is its copy, no second death.

    Rows that this collector made itself have no worker, unless one left its last words.
    """
    message_id = delivery.uuid()
    if message_id is None:
        return False
    rows = DeadLetter.objects.filter(message_id=message_id).exclude(cause=Cause.POISON)
    return rows.exclude(worker="").exists()


def _death_of(message: Message) -> tuple[str, str]:
    headers: dict[str, Any] = message.headers or {}
    deaths = headers.get("x-death") or [{}]
    return str(deaths[0].get("queue", "its queue")), str(deaths[0].get("reason", "not told"))
