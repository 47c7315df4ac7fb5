"""Handing a batch to RabbitMQ with one wait for all its confirms.

Publisher confirms: RabbitMQ, 'Consumer Acknowledgements and Publisher Confirms'. A message counts
as published only when the broker confirmed it and did not return it as unroutable.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from celery import Celery
from kombu import Connection, Producer

from tasks.delivery import headers_for
from tasks.models import OutboxMessage


class PublishFailed(Exception):
    """The batch could not be settled. Some of it may have been published; all of it is kept."""


@dataclass(slots=True)
class _Batch:
    waiting: dict[int, UUID] = field(default_factory=dict)  # delivery tag → message id
    confirmed: set[UUID] = field(default_factory=set)
    refused: dict[UUID, str] = field(default_factory=dict)


class BatchPublisher:
    """One connection in confirm mode. Not thread-safe. After any error, ``close`` and open anew."""

    def __init__(self, app: Celery, *, confirm_timeout_seconds: float) -> None:
        self._app = app
        self._timeout = confirm_timeout_seconds
        self._connection: Connection | None = None
        self._batch = _Batch()
        self._tag = 0

    def publish(self, messages: Iterable[OutboxMessage]) -> tuple[set[UUID], dict[UUID, str]]:
        """Publish all; returns the ids confirmed, and those refused with the broker's reason.

        Raises PublishFailed on any trouble with the connection; the caller keeps every row.
        """
        self._batch = batch = _Batch()
        try:
            producer = self._open()
            for message in messages:
                self._send(producer, message)
            self._wait_for_confirms()
        except Exception as error:
            self.close()
            raise PublishFailed(f"{type(error).__name__}: {error}") from error
        if batch.refused:
            # A queue that vanished is declared again on a new connection only.
            self.close()
        return batch.confirmed - batch.refused.keys(), batch.refused

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # collect, not close: a broker that does not answer must not hold us in a handshake
            connection.collect()

    def _open(self) -> Producer:
        if self._connection is None:
            connection = self._app.connection_for_write(
                transport_options={"confirm_publish": False, "max_retries": 0}
            )
            connection.ensure_connection(max_retries=1, timeout=5)
            self._connection = connection
            # py-amqp's channel, which kombu's stubs do not know
            channel: Any = connection.default_channel
            channel.confirm_select()
            channel.events["basic_ack"].add(self._on_ack)
            channel.events["basic_nack"].add(self._on_nack)
            channel.events["basic_return"].add(self._on_return)
            self._tag = 0
        return self._app.amqp.Producer(self._connection.default_channel, auto_declare=False)

    def _send(self, producer: Producer, message: OutboxMessage) -> None:
        self._app.send_task(
            message.task,
            kwargs=message.kwargs,
            task_id=str(message.pk),
            headers=headers_for(message),
            producer=producer,
            retry=False,
            mandatory=True,
            ignore_result=True,
        )
        self._tag += 1
        self._batch.waiting[self._tag] = message.pk

    def _wait_for_confirms(self) -> None:
        if self._connection is None:
            return
        deadline = time.monotonic() + self._timeout
        while self._batch.waiting:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(
                    f"{len(self._batch.waiting)} messages unconfirmed after {self._timeout:.0f} s"
                )
            self._connection.drain_events(timeout=left)

    def _settled(self, tag: int, multiple: bool) -> list[UUID]:
        waiting = self._batch.waiting
        tags = [t for t in waiting if t <= tag] if multiple else [tag]
        return [waiting.pop(t) for t in tags if t in waiting]

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._batch.confirmed.update(self._settled(tag, multiple))

    def _on_nack(self, tag: int, multiple: bool) -> None:
        for message_id in self._settled(tag, multiple):
            self._batch.refused[message_id] = "the broker refused it: the queue is full or failing"

    def _on_return(self, error: Any, exchange: str, routing_key: str, message: Any) -> None:
        # A returned message is acked as well, so it is told apart by its id.
        message_id = UUID(message.properties["correlation_id"])
        self._batch.refused[message_id] = f"no queue takes it ({exchange}, {routing_key}): {error}"
