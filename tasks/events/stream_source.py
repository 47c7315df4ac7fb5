"""Reading a RabbitMQ stream: the broker keeps the position of each group."""

import asyncio
import time
from collections import deque
from typing import Any

from rstream import OffsetType, amqp_decoder, exceptions, schema

from tasks.events.address import Address
from tasks.events.loop import LoopThread
from tasks.events.reach import why_unreachable
from tasks.events.sink import BrokerTrouble, Received
from tasks.events.stream_link import OPEN_SECONDS, StreamLink, leave, open_link

_EVENTS, _LOOK = 0, 1  # subscriptions: what is read, and a look at the end of the stream
_CREDIT = 5
_MOST_WAITING = 1_000
_STORE_EVERY_SECONDS = 1.0
_LOOK_SECONDS = 1.0
_REQUEST_SECONDS = 5.0


class StreamSource:
    """Reads from the group's stored position. A second reader of the group sees the same events."""

    def __init__(self, address: Address, group: str) -> None:
        self._address = address
        self._group = group
        self._arrived: deque[Received] = deque()
        # Bounded: another chunk is asked for only when the one before it was taken.
        self._queue: asyncio.Queue[Received] = asyncio.Queue(maxsize=_MOST_WAITING)
        self._done: int | None = None
        self._stored_at = 0.0
        self._loop = LoopThread("event-source")
        try:
            self._link, self._start = self._run(self._connect(), OPEN_SECONDS)
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
        end: int | None = self._run(self._look(), _LOOK_SECONDS + _REQUEST_SECONDS)
        if end is None:
            # No chunk came: the stream is empty, or the broker is slow.
            return 0 if self._start == 0 and self._done is None else None
        at = self._start - 1 if self._done is None else self._done
        return max(0, end - at)

    def close(self) -> None:
        try:
            self._store()
        except BrokerTrouble:
            pass  # what is not written down comes again, and is known by its receipt
        finally:
            leave(self._loop, self._link)

    def _run(self, coroutine: Any, timeout_seconds: float) -> Any:
        try:
            return self._loop.run(coroutine, timeout_seconds)
        except (OSError, exceptions.ServerError) as error:
            said = f"RabbitMQ does not answer ({type(error).__name__}: {error})"
            raise BrokerTrouble(why_unreachable(self._address) or said) from error

    async def _connect(self) -> tuple[StreamLink, int]:
        link = await open_link(self._address, lambda: None)
        try:
            start = await _position(link, self._group)

            async def deliver(frame: schema.Deliver) -> None:
                if frame.subscription_id != _EVENTS:
                    return
                for offset, data in enumerate(frame.get_messages(), frame.chunk_first_offset):
                    if offset >= start:  # a chunk may begin before the position asked for
                        await self._queue.put(Received(_decoded(data), offset))
                await link.client.credit(_EVENTS, 1)

            spec = (
                schema.OffsetSpec.from_params(OffsetType.OFFSET, start)
                if start
                else schema.OffsetSpec.from_params(OffsetType.FIRST, None)
            )
            link.client.add_handler(schema.Deliver, deliver, name=str(_EVENTS))
            await link.client.run_queue_listener_task(_EVENTS, deliver)
            await link.client.subscribe(link.stream, _EVENTS, spec, initial_credit=_CREDIT)
        except BaseException:
            await link.close()
            raise
        return link, start

    async def _next(self, wait_seconds: float) -> list[Received]:
        found: list[Received] = []
        try:
            async with asyncio.timeout(wait_seconds):
                found.append(await self._queue.get())
        except TimeoutError:
            if self._link.closed.is_set():
                raise BrokerTrouble("the connection to RabbitMQ ended") from None
        while not self._queue.empty() and len(found) < 100:
            found.append(self._queue.get_nowait())
        return found

    async def _look(self) -> int | None:
        """The offset of the last message, told by a second subscription to the last chunk.

        It has a task of its own, so it does not wait behind events that nobody takes yet.
        """
        client = self._link.client
        end: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def seen(frame: schema.Deliver) -> None:
            if frame.subscription_id == _LOOK and not end.done():
                end.set_result(frame.chunk_first_offset + frame.num_records - 1)

        client.add_handler(schema.Deliver, seen, name=str(_LOOK))
        await client.run_queue_listener_task(_LOOK, seen)
        try:
            last = schema.OffsetSpec.from_params(OffsetType.LAST, None)
            await client.subscribe(self._link.stream, _LOOK, last, initial_credit=1)
            try:
                return await asyncio.wait_for(end, _LOOK_SECONDS)
            except TimeoutError:
                return None
            finally:
                await client.unsubscribe(_LOOK)
        finally:
            client.remove_handler(schema.Deliver, name=str(_LOOK))
            await client.stop_queue_listener_task(_LOOK)

    def _store(self) -> None:
        if self._done is None:
            return
        client, stream = self._link.client, self._link.stream
        self._run(client.store_offset(stream, self._group, self._done), _REQUEST_SECONDS)
        self._stored_at = time.monotonic()


async def _position(link: StreamLink, group: str) -> int:
    """The first offset that the group has not done."""
    try:
        return int(await link.client.query_offset(link.stream, group)) + 1
    except exceptions.OffsetNotFound:
        return 0


def _decoded(data: bytes) -> bytes:
    """The body; bytes that are no AMQP message are handed on as they are, to be looked at."""
    try:
        body: Any = amqp_decoder(data).body
        return b"".join(bytes(part) for part in body) if isinstance(body, list) else bytes(body)
    except Exception:  # noqa: BLE001  # rstream's decoder raises whatever the bytes lead it into
        return data
