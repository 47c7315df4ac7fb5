"""Handing a batch to RabbitMQ with one wait for all its confirms.

Publisher confirms: RabbitMQ, 'Consumer Acknowledgements and Publisher Confirms'. A message counts
as published only when the broker confirmed it and did not return it as unroutable.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from amqp.exceptions import ChannelError, NotFound, PreconditionFailed
from celery import Celery
from kombu import Connection

from tasks import topology
from tasks.envelope import Envelopes, Unpublishable
from tasks.models import OutboxMessage

log = structlog.get_logger(__name__)

# Sent in pieces of this size, and answers are read in between, so that neither side fills up.
_PIECE_BYTES = 65_536
# What goes beyond is left for the next batch.
_BATCH_BYTES = 8 * 1024 * 1024
_HEARTBEAT_SECONDS = 10


class PublishFailed(Exception):
    """The batch could not be settled. Some of it may have been published; all of it is kept."""


class BrokerBlocked(PublishFailed):
    """RabbitMQ takes nothing for now: it is out of memory or disk."""


class ChannelRefused(PublishFailed):
    """The broker closed the channel over one message of the batch, and does not say which."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


@dataclass(slots=True)
class Settled:
    """What became of each message, by id. In none of the four: not sent, or not known."""

    confirmed: set[UUID] = field(default_factory=set)
    returned: dict[UUID, str] = field(default_factory=dict)
    nacked: set[UUID] = field(default_factory=set)
    unpublishable: dict[UUID, Unpublishable] = field(default_factory=dict)

    def add(self, other: "Settled") -> None:
        self.confirmed |= other.confirmed
        self.returned |= other.returned
        self.nacked |= other.nacked
        self.unpublishable |= other.unpublishable


class BatchPublisher:
    """One connection in confirm mode. Not thread-safe. After any error it is opened anew.

    ``on_blocked`` hears True and False when RabbitMQ's alarm holds the connection and lets it go.
    """

    def __init__(
        self,
        app: Celery,
        *,
        confirm_timeout_seconds: float,
        on_blocked: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._app = app
        self._timeout = confirm_timeout_seconds
        self._on_blocked = on_blocked
        self._envelopes = Envelopes(app)
        self._connection: Connection | None = None
        # py-amqp's channel, which kombu's stubs do not know. Kept, not asked from kombu again: that
        # would connect silently when the connection is lost, and without confirms.
        self._channel: Any = None
        self._declared: set[str] = set()
        self._waiting: OrderedDict[int, UUID] = OrderedDict()  # delivery tag → message id
        self._settled = Settled()
        self._tag = 0
        self.blocked = False

    # -- one batch ------------------------------------------------------------

    def publish(self, messages: Sequence[OutboxMessage]) -> Settled:
        """Publish all and wait for the broker's word on each.

        Raises ChannelRefused when one of them cannot be taken, BrokerBlocked when an alarm is on
        and lasts longer than the confirm timeout, and PublishFailed for any other trouble. Then
        nothing is known of any message of the batch, and the caller keeps them all.
        """
        if self.blocked:
            raise BrokerBlocked("RabbitMQ blocks the connection")
        self._waiting.clear()
        self._settled = settled = Settled()
        try:
            self.open()
            self._send(messages)
            self._wait_for_confirms()
        except BrokerBlocked:
            raise  # the connection stays: on it we hear when the alarm is over
        except (NotFound, PreconditionFailed) as error:
            self.close()
            raise ChannelRefused(type(error).__name__, str(error)) from error
        except Exception as error:
            self.close()
            raise PublishFailed(f"{type(error).__name__}: {error}") from error
        # A returned message is acked as well.
        settled.confirmed -= settled.returned.keys()
        return settled

    def _send(self, messages: Sequence[OutboxMessage]) -> None:
        for message in messages:
            # All before the first byte: a connection that gets blocked answers nothing more.
            with suppress(Unpublishable):
                self._declare(self._envelopes.queue_of(message))
        channel_id, frame_max = self._channel.channel_id, self._channel.connection.frame_max
        piece, total = bytearray(), 0
        for message in messages:
            try:
                frames = self._envelopes.frames(message, channel_id, frame_max)
            except Unpublishable as error:
                self._settled.unpublishable[message.pk] = error
                continue
            total += len(frames)
            if self.blocked or (total > _BATCH_BYTES and self._waiting):
                break
            self._tag += 1
            self._waiting[self._tag] = message.pk
            piece += frames
            if len(piece) >= _PIECE_BYTES:
                self._write(piece)
                while self._hear(0):
                    pass
        self._write(piece)

    def _write(self, piece: bytearray) -> None:
        if piece:
            self._channel.connection.transport.write(bytes(piece))
            piece.clear()

    def _wait_for_confirms(self) -> None:
        deadline = time.monotonic() + self._timeout
        while self._waiting:
            left = deadline - time.monotonic()
            if left <= 0:
                words = f"{len(self._waiting)} messages unconfirmed after {self._timeout:g} s"
                if self.blocked:
                    raise BrokerBlocked(f"RabbitMQ blocks the connection; {words}")
                raise TimeoutError(words)
            self._hear(left)

    # -- the connection -------------------------------------------------------

    def open(self) -> None:
        """Be connected. Raises what the transport raises; ``publish`` does this by itself."""
        if self._connection is not None:
            return
        connection = self._app.connection_for_write(
            heartbeat=_HEARTBEAT_SECONDS,
            transport_options={
                "confirm_publish": False,
                "max_retries": 0,
                # A blocked broker stops reading and answers nothing: no wait without an end.
                "read_timeout": self._timeout,
                "write_timeout": self._timeout,
                "on_blocked": lambda _reason: self._set_blocked(True),
                "on_unblocked": lambda: self._set_blocked(False),
            },
        )
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
            channel: Any = connection.default_channel
            channel.confirm_select()
        except BaseException:
            connection.collect()
            raise
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)
        self._connection, self._channel = connection, channel
        self._declared.clear()
        self._tag = 0

    def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            # collect, not close: a broker that does not answer must not hold us in a handshake
            connection.collect()
        self._set_blocked(False)

    def tend(self, wait_seconds: float = 0.0) -> None:
        """Hear what the broker says while nothing is published, and keep the connection alive.

        A connection that turns out to be dead is closed; the next batch opens another.
        """
        if self._connection is None:
            return
        try:
            self._hear(wait_seconds)
            self._channel.connection.heartbeat_tick()
        except Exception as error:  # noqa: BLE001  # whatever it is, the next batch finds out
            log.info("relay_connection_ended", error=f"{type(error).__name__}: {error}")
            self.close()

    def _hear(self, seconds: float) -> bool:
        """Handle one answer of the broker; False when there was none within this time."""
        try:
            self._channel.connection.drain_events(timeout=seconds)
        except TimeoutError:
            return False
        return True

    def _declare(self, queue: str) -> None:
        """Once per connection, on a channel of its own: a refusal closes that one only.

        A queue that is there in another form takes messages too; ``check_broker`` tells.
        """
        if queue in self._declared:
            return
        channel = self._channel.connection.channel()
        try:
            topology.work_queue(queue)(channel).declare()
        except ChannelError as error:
            log.warning("queue_not_declared", queue=queue, error=str(error))
        else:
            channel.close()
        self._declared.add(queue)

    # -- what the broker says -------------------------------------------------

    def _take(self, tag: int, multiple: bool) -> list[UUID]:
        """The messages that this tag settles: itself, or all up to it."""
        if not multiple:
            one = self._waiting.pop(tag, None)
            return [] if one is None else [one]
        taken = []
        while self._waiting and next(iter(self._waiting)) <= tag:
            taken.append(self._waiting.popitem(last=False)[1])
        return taken

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._settled.confirmed.update(self._take(tag, multiple))

    def _on_nack(self, tag: int, multiple: bool) -> None:
        self._settled.nacked.update(self._take(tag, multiple))

    def _on_return(self, error: Any, exchange: str, routing_key: str, message: Any) -> None:
        message_id = UUID(message.properties["correlation_id"])
        self._settled.returned[message_id] = (
            f"No queue takes it (exchange {exchange}, routing key {routing_key}): {error}"
        )

    def _set_blocked(self, is_blocked: bool) -> None:
        if is_blocked != self.blocked:
            self.blocked = is_blocked
            self._on_blocked(is_blocked)
