"""RabbitMQ streams through rstream: one publish frame per batch, a confirm per message."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from rstream import AMQPMessage, OffsetType, amqp_decoder, exceptions, schema

from tasks.events.address import Address
from tasks.events.loop import LoopThread
from tasks.events.reach import why_unreachable
from tasks.events.sink import BrokerTrouble, Outcome, Outgoing, Received
from tasks.events.stream_link import StreamLink, open_link

_OPEN_SECONDS = 10.0
_CLOSE_SECONDS = 8.0
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
            _leave(*opened)

    def _open(self) -> tuple[LoopThread, StreamLink]:
        if self._opened is None:
            loop = LoopThread("event-sink")
            try:
                self._opened = loop, loop.run(self._connect(), _OPEN_SECONDS)
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


def _decoded(data: bytes) -> bytes:
    """The body; bytes that are no AMQP message are handed on as they are, to be looked at."""
    try:
        body: Any = amqp_decoder(data).body
        return b"".join(bytes(part) for part in body) if isinstance(body, list) else bytes(body)
    except Exception:  # noqa: BLE001  # rstream's decoder raises whatever the bytes lead it into
        return data


def _leave(loop: LoopThread, link: StreamLink) -> None:
    try:
        loop.run(link.close(), _CLOSE_SECONDS)
    except (OSError, exceptions.ServerError):
        pass  # it is gone already
    finally:
        loop.close()


_EVENTS, _LOOK = 0, 1  # subscriptions: what is read, and a look at the end of the stream
_CREDIT = 5
_STORE_EVERY_SECONDS = 1.0
_LOOK_SECONDS = 1.0


class StreamSource:
    """Reads from the group's stored position. A second reader of the group sees the same events."""

    def __init__(self, address: Address, group: str) -> None:
        self._address = address
        self._group = group
        self._arrived: deque[Received] = deque()
        self._done: int | None = None
        self._stored_at = 0.0
        self._end: asyncio.Future[int] | None = None
        self._loop = LoopThread("event-source")
        try:
            self._link = self._run(self._connect(), _OPEN_SECONDS)
        except BrokerTrouble:
            self._loop.close()
            raise

    def receive(self, wait_seconds: float) -> Received | None:
        if not self._arrived:
            self._arrived.extend(self._run(self._next(wait_seconds), wait_seconds + 5))
        return self._arrived.popleft() if self._arrived else None

    def done(self, received: Received) -> None:
        self._done = int(received.handle)
        if time.monotonic() - self._stored_at >= _STORE_EVERY_SECONDS:
            self._store()

    def behind(self) -> int | None:
        end: int = self._run(self._look(), _LOOK_SECONDS + 5)
        at = self._start - 1 if self._done is None else self._done
        return max(0, end - at)

    def close(self) -> None:
        try:
            self._store()
        except BrokerTrouble:
            pass  # what is not written down comes again, and is known by its receipt
        finally:
            _leave(self._loop, self._link)

    def _run(self, coroutine: Any, timeout_seconds: float) -> Any:
        try:
            return self._loop.run(coroutine, timeout_seconds)
        except (OSError, exceptions.ServerError) as error:
            said = f"RabbitMQ does not answer ({type(error).__name__}: {error})"
            raise BrokerTrouble(why_unreachable(self._address) or said) from error

    async def _connect(self) -> StreamLink:
        # Bounded: a frame is asked for only when the one before it was taken.
        self._queue: asyncio.Queue[Received | None] = asyncio.Queue(maxsize=1_000)
        link = await open_link(self._address, lambda: None)
        self._link = link
        self._start = await self._position(link)
        link.client.add_handler(schema.Deliver, self._on_deliver, name=str(_EVENTS))
        await link.client.run_queue_listener_task(_EVENTS, self._on_deliver)
        spec = (
            schema.OffsetSpec.from_params(OffsetType.OFFSET, self._start)
            if self._start
            else schema.OffsetSpec.from_params(OffsetType.FIRST, None)
        )
        await link.client.subscribe(link.stream, _EVENTS, spec, initial_credit=_CREDIT)
        return link

    async def _position(self, link: StreamLink) -> int:
        try:
            return int(await link.client.query_offset(link.stream, self._group)) + 1
        except exceptions.OffsetNotFound:
            return 0

    async def _next(self, wait_seconds: float) -> list[Received]:
        found: list[Received] = []
        try:
            async with asyncio.timeout(wait_seconds):
                found.append(await self._queue.get())  # type: ignore[arg-type]  # never None
        except TimeoutError:
            if self._link.closed.is_set():
                raise BrokerTrouble("the connection to RabbitMQ ended") from None
        while not self._queue.empty() and len(found) < 100:
            found.append(self._queue.get_nowait())  # type: ignore[arg-type]  # never None
        return found

    async def _on_deliver(self, frame: schema.Deliver) -> None:
        if frame.subscription_id == _LOOK:
            if self._end is not None and not self._end.done():
                self._end.set_result(frame.chunk_first_offset + frame.num_records - 1)
            return
        for offset, data in enumerate(frame.get_messages(), frame.chunk_first_offset):
            if offset >= self._start:  # a chunk may begin before the position asked for
                await self._queue.put(Received(_decoded(data), offset))
        await self._link.client.credit(_EVENTS, 1)

    async def _look(self) -> int:
        """The offset of the last message, told by a second subscription to the last chunk."""
        client = self._link.client
        self._end = asyncio.get_running_loop().create_future()
        await client.subscribe(
            self._link.stream,
            _LOOK,
            schema.OffsetSpec.from_params(OffsetType.LAST, None),
            initial_credit=1,
        )
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                return await self._end
        except TimeoutError:
            return -1  # there is nothing in it
        finally:
            await client.unsubscribe(_LOOK)

    def _store(self) -> None:
        if self._done is None:
            return
        self._run(self._link.client.store_offset(self._link.stream, self._group, self._done), 5)
        self._stored_at = time.monotonic()
