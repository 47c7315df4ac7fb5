"""Writing to a RabbitMQ stream: one publish frame per batch, a confirm per message."""

import asyncio
from collections.abc import Iterator, Sequence
from uuid import UUID

from rstream import AMQPMessage, exceptions, schema

from tasks.events.address import Address
from tasks.events.loop import LoopThread
from tasks.events.reach import why_unreachable
from tasks.events.sink import BrokerTrouble, Outcome, Outgoing
from tasks.events.stream_link import OPEN_SECONDS, StreamLink, leave, open_link

# Around the messages of a publish frame, and around each of them.
_FRAME_OVERHEAD = 64
_MESSAGE_OVERHEAD = 12
_PUBLISHER = 0


class StreamSink:
    """Keeps one connection. ``timeout_seconds`` bounds the wait for a batch's confirms."""

    def __init__(self, address: Address, *, timeout_seconds: float) -> None:
        self._address = address
        self._timeout = timeout_seconds
        self._opened: tuple[LoopThread, StreamLink] | None = None
        self._number = 0
        self._waiting: dict[int, UUID] = {}
        self._outcome = Outcome()
        self._settled = asyncio.Event()

    def publish(self, batch: Sequence[Outgoing]) -> Outcome:
        self._outcome = outcome = Outcome()
        try:
            loop, link = self._open()
            loop.run(self._send(link, batch), self._timeout)
        except BrokerTrouble as error:
            outcome.trouble = str(error)
        except (OSError, exceptions.ServerError) as error:
            outcome.trouble = why_unreachable(self._address) or (
                f"RabbitMQ did not confirm within {self._timeout:g} s ({type(error).__name__})"
            )
        if outcome.trouble:
            self.close()
        return outcome

    def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            leave(*opened)

    def _open(self) -> tuple[LoopThread, StreamLink]:
        if self._opened is None:
            loop = LoopThread("event-sink")
            try:
                self._opened = loop, loop.run(self._connect(), OPEN_SECONDS)
            except BaseException:
                loop.close()
                raise
        return self._opened

    async def _connect(self) -> StreamLink:
        self._settled = asyncio.Event()
        link = await open_link(self._address, self._settled.set)
        link.client.add_handler(schema.PublishConfirm, self._on_confirm, name="sink")
        link.client.add_handler(schema.PublishError, self._on_error, name="sink")
        await link.client.declare_publisher(link.stream, None, _PUBLISHER)
        return link

    async def _send(self, link: StreamLink, batch: Sequence[Outgoing]) -> None:
        self._waiting.clear()
        self._settled.clear()
        for frame in self._frames(batch, link.client.frame_max):
            await link.client.send_publish_frame(schema.Publish(_PUBLISHER, frame))
        if self._waiting and not link.closed.is_set():
            await self._settled.wait()
        if link.closed.is_set():
            raise BrokerTrouble("RabbitMQ closed the connection before it confirmed the batch")

    def _frames(self, batch: Sequence[Outgoing], limit: int) -> Iterator[list[schema.Message]]:
        """The batch in frames that the broker takes; what fits into none is refused."""
        frame: list[schema.Message] = []
        size = _FRAME_OVERHEAD
        for message in batch:
            data = _encoded(message)
            needed = len(data) + _MESSAGE_OVERHEAD
            if needed + _FRAME_OVERHEAD > limit:
                self._outcome.refused[message.id] = (
                    f"too large: {len(data)} bytes, and RabbitMQ takes frames of {limit} "
                    "(stream.frame_max)"
                )
                continue
            if frame and size + needed > limit:
                yield frame
                frame, size = [], _FRAME_OVERHEAD
            self._number += 1
            self._waiting[self._number] = message.id
            frame.append(schema.Message(self._number, filter_value=None, data=data))
            size += needed
        if frame:
            yield frame

    def _on_confirm(self, frame: schema.PublishConfirm) -> None:
        for number in frame.publishing_ids:
            message_id = self._waiting.pop(number, None)
            if message_id is not None:
                self._outcome.confirmed.add(message_id)
        if not self._waiting:
            self._settled.set()

    def _on_error(self, frame: schema.PublishError) -> None:
        for error in frame.errors:
            self._waiting.pop(error.publishing_id, None)
            code = exceptions.ServerError.from_code(error.response_code).__name__
            self._outcome.trouble = f"RabbitMQ did not take the events: {code}"
        if not self._waiting:
            self._settled.set()


def _encoded(message: Outgoing) -> bytes:
    """As AMQP 1.0, which every client of streams reads."""
    properties = {"message_id": str(message.id), "group_id": message.key}
    return bytes(AMQPMessage(body=message.body, application_properties=properties))
