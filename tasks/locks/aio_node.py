"""One asyncio connection to one lock node: requests go out and replies come back in one order.

The rules of ``node`` hold here too: nothing is sent twice; a node that does not answer in time
keeps its connection, so that a RELEASE follows its ACQUIRE, and gets no new work until it answers.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import hiredis
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from tasks.clock import Clock
from tasks.locks.messages import Acquire, Failed, Release, Reply, Request
from tasks.locks.node import CONNECT_ERRORS, NodeUnusable, _check, label, too_old
from tasks.locks.observer import LockObserver
from tasks.locks.wire import Encoder, parse, signature

logger = logging.getLogger(__name__)

_READ_BYTES = 4_096
# Several sections of one loop ask at the same time, so more may be pending than for a thread.
_MOST_PENDING = 1_024
_GIVE_UP_SECONDS = 10.0
_FIRST_BACKOFF_SECONDS = 0.05
_LAST_BACKOFF_SECONDS = 2.0

OnReply = Callable[[int, Reply], None]


class AsyncNode:
    """The state of one node. Used in one event loop."""

    def __init__(
        self,
        index: int,
        url: str,
        encoder: Encoder,
        timeout: float,
        clock: Clock,
        observer: LockObserver,
        greeting: bytes,
        on_push: Callable[[int, Any], None],
    ) -> None:
        """``greeting`` is sent on each new connection and has no answer; ``on_push`` is given what
        the server says by itself."""
        self.index = index
        self.name = label(url)
        self.run_id = ""
        self.down_reason = "not connected yet"
        self.connecting: asyncio.Task[None] | None = None
        self._url = url
        self._encoder = encoder
        self._timeout = timeout
        self._clock = clock
        self._observer = observer
        self._greeting = greeting
        self._on_push = on_push
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._parser = hiredis.Reader()
        self._pending: deque[tuple[float, OnReply | None]] = deque()
        self._failures = 0
        self._retry_at = float("-inf")

    @property
    def connected(self) -> bool:
        return self._writer is not None

    @property
    def usable(self) -> bool:
        return self._writer is not None and not self._stalled(self._clock.monotonic())

    def look_after(self) -> None:
        """Give up a connection that has been silent for long, and start to connect a missing one
        when that may be tried again. Never blocks."""
        now = self._clock.monotonic()
        if self._overdue(now) > _GIVE_UP_SECONDS:
            self._drop("no answer for a long time")
        if self._writer is None and self.connecting is None and now >= self._retry_at:
            self.connecting = asyncio.create_task(self._connect(), name=f"lock-connect-{self.name}")

    def send(self, request: Request, on_reply: OnReply | None) -> bool:
        """Write one request; ``on_reply`` is called once, with why it failed if need be. False: the
        node cannot have got it."""
        now = self._clock.monotonic()
        reason = ""
        if self._writer is None or self._writer.is_closing():
            reason = self.down_reason
        elif self._stalled(now) and not isinstance(request, Release):
            # It gets nothing new, but what it may have granted must be taken back.
            reason = "still busy with earlier requests"
        if reason or self._writer is None:
            if on_reply is not None:
                on_reply(self.index, Failed(reason))
            return False
        payload = self._encoder.encode(request)
        if isinstance(request, Acquire | Release):
            payload += signature(self.run_id)
        self._pending.append((now, on_reply))
        self._writer.write(payload)
        return True

    async def close(self) -> None:
        """Drop the connection, and what is being connected."""
        tasks = [task for task in (self.connecting, self._reading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def refuse(self, reason: str) -> None:
        """Give up a connection that must not be used."""
        self._drop(reason)
        self._failed()

    # -- connecting and reading -----------------------------------------------

    async def _connect(self) -> None:
        try:
            reader, self._writer = await self._open()
        except CONNECT_ERRORS as error:
            self.down_reason = str(error) or type(error).__name__
            self._observer.node_failed(self.name, self.down_reason)
            if self._failures == 0:
                logger.warning("lock node %s cannot be used: %s", self.name, self.down_reason)
            self._failed()
        else:
            self._failures = 0
            self._parser = hiredis.Reader()
            self._writer.write(self._greeting)
            self._reading = asyncio.create_task(
                self._read(reader, self._writer), name=f"lock-read-{self.name}"
            )
        finally:
            self.connecting = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connection = _make_connection(self._url, self._timeout)
        try:
            await connection.connect()
            await connection.send_command("INFO")
            self.run_id = _check(await connection.read_response())
            await connection.send_packed_command(self._encoder.loading)
            for _ in self._encoder.loading:
                await connection.read_response()
            await self._speak_resp3(connection)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        # redis-py has no public way to send without waiting for the answer.
        reader, writer = connection._reader, connection._writer
        connection._reader = connection._writer = None
        return reader, writer

    async def _speak_resp3(self, connection: Any) -> None:
        try:
            await connection.send_command("HELLO", 3)
            await connection.read_response()
        except ResponseError as error:
            raise NodeUnusable(too_old(error)) from error

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reason = "the server closed the connection"
        try:
            while data := await reader.read(_READ_BYTES):
                self._parser.feed(data)
                self._settle()
                if writer is not self._writer:
                    return
        except OSError as error:
            reason = str(error)
        except asyncio.CancelledError:
            reason = "closed"
            raise
        finally:
            if writer is self._writer:
                self._drop(reason)

    def _settle(self) -> None:
        while (answer := self._parser.gets()) is not False:
            if isinstance(answer, hiredis.PushNotification):
                self._on_push(self.index, answer)
                continue
            if not self._pending:
                return  # given up in between, and with it whatever else it says
            sent_at, on_reply = self._pending.popleft()
            self._observer.node_answered(self.name, self._clock.monotonic() - sent_at)
            if on_reply is not None:
                on_reply(self.index, parse(answer))
            if isinstance(answer, Exception):
                self._observer.node_failed(self.name, str(answer))
                if str(answer).startswith("NOSCRIPT"):
                    # Somebody flushed the scripts. A new connection loads them again.
                    self._drop("the scripts were gone from the server")

    def _drop(self, reason: str) -> None:
        """Every request without an answer has failed: it may have run."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        self.down_reason = reason
        if reason != "closed":
            self._observer.node_failed(self.name, reason)
            logger.warning("lock node %s is gone: %s", self.name, reason)
        with suppress(RuntimeError):  # the loop may be closed already
            writer.close()
        pending, self._pending = self._pending, deque()
        for _, on_reply in pending:
            if on_reply is not None:
                on_reply(self.index, Failed(reason))

    def _failed(self) -> None:
        self._failures += 1
        longest = min(_LAST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2 ** min(self._failures, 10))
        self._retry_at = self._clock.monotonic() + random.uniform(longest / 2, longest)

    def _overdue(self, now: float) -> float:
        return now - self._pending[0][0] if self._pending else 0.0

    def _stalled(self, now: float) -> bool:
        return len(self._pending) >= _MOST_PENDING or self._overdue(now) > self._timeout


def _make_connection(url: str, timeout: float) -> Any:
    options: dict[str, Any] = {} if url.startswith("unix:") else {"socket_keepalive": True}
    pool: Any = ConnectionPool
    try:
        return pool.from_url(
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            **options,
        ).make_connection()
    except (TypeError, ValueError) as error:
        raise NodeUnusable(f"its URL cannot be used ({error}). Correct LOCK_REDIS_URLS.") from error
