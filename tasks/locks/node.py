"""One connection to one lock node: requests go out and replies come back in the same order.

Nothing is ever sent twice. A node that does not answer in time keeps its connection, because a
RELEASE must follow its ACQUIRE on the same one: on a new connection it could overtake it, and the
slot would stay taken by nobody. Such a node is *stalled*: it gets no new work until it answers.
"""

import logging
import socket
import ssl
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import hiredis
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import RedisError
from redis.retry import Retry

from tasks.locks.messages import Failed, Reply
from tasks.locks.wire import LOAD_SCRIPTS, SOURCES, parse

logger = logging.getLogger(__name__)

# More than this and the node is not keeping up: its socket buffer must not fill with our requests.
_MOST_PENDING = 32
_READ_BYTES = 65_536


class NodeUnusable(Exception):
    """The node cannot be used as it is configured. The message says what to change."""


class Pending(NamedTuple):
    round_id: int
    sent_at: float


class Session(NamedTuple):
    """A connected and checked server."""

    connection: Any
    sock: socket.socket
    run_id: str


def label(url: str) -> str:
    """The place a URL points to, without its credentials: for logs and messages."""
    parts: dict[str, object] = parse_url(url)  # type: ignore[no-untyped-call]
    if "path" in parts:
        return str(parts["path"])
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 6379)}"


def open_session(url: str, timeout: float) -> Session:
    """Connect, authenticate, check the server and load the scripts. Blocks up to ``timeout`` per
    step; raises RedisError, OSError or NodeUnusable."""
    connection = _make_connection(url, timeout)
    try:
        connection.connect()
        connection.send_command("INFO")
        run_id = _check(connection.read_response())
        connection.send_packed_command([LOAD_SCRIPTS])
        for _ in SOURCES:
            connection.read_response()
        # redis-py has no public way to wait on several connections at once.
        sock = connection._sock
    except BaseException:
        connection.disconnect()
        raise
    return Session(connection, sock, run_id)


def _make_connection(url: str, timeout: float) -> Any:
    options: dict[str, Any] = {} if url.startswith("unix:") else {"socket_keepalive": True}
    try:
        pool = ConnectionPool.from_url(
            url,
            protocol=2,
            # redis-py would send again by itself, and a second ACQUIRE is a different question.
            retry=Retry(NoBackoff(), 0),
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            **options,
        )
        return pool.make_connection()
    except (TypeError, ValueError) as error:
        raise NodeUnusable(f"its URL cannot be used ({error}). Correct LOCK_REDIS_URLS.") from error


def _check(info: bytes) -> str:
    """The run id from INFO, if the server is fit to keep locks."""
    lines = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    facts = {name: value for name, _, value in lines}
    if facts.get("maxmemory_policy") != "noeviction":
        raise NodeUnusable(
            f"maxmemory-policy is {facts.get('maxmemory_policy')}, so Redis may throw leases away. "
            "Set 'maxmemory-policy noeviction' on lock nodes."
        )
    if facts.get("redis_mode", "standalone") != "standalone" or facts.get("role") != "master":
        raise NodeUnusable(
            f"the server is {facts.get('redis_mode')}/{facts.get('role')}. "
            "Lock nodes must be independent standalone servers, without cluster and replicas."
        )
    return facts["run_id"]


class Node:
    """The state of one node. Used by one thread at a time."""

    def __init__(self, index: int, url: str, timeout: float) -> None:
        self.index = index
        self.url = url
        self.name = label(url)
        self.run_id = ""
        self.sock: socket.socket | None = None
        self.down_reason = "not connected yet"
        self._timeout = timeout
        self._connection: Any = None
        self._reader = hiredis.Reader()
        self._pending: deque[Pending] = deque()

    def adopt(self, session: Session) -> None:
        """Take a new connection into use."""
        self._connection, self.sock, self.run_id = session
        self.sock.setblocking(False)
        self._reader = hiredis.Reader()
        self._pending.clear()

    @property
    def connected(self) -> bool:
        return self.sock is not None

    def overdue(self, now: float) -> float:
        """Seconds for which the oldest request has been waiting for its answer."""
        return now - self._pending[0].sent_at if self._pending else 0.0

    def stalled(self, now: float) -> bool:
        return len(self._pending) >= _MOST_PENDING or self.overdue(now) > self._timeout

    def send(self, payload: bytes, round_id: int, now: float) -> list[tuple[int, Reply]]:
        """Write one request. Empty, or what breaks when the connection does (see ``drop``)."""
        if self.sock is None:
            return [(round_id, Failed(self.down_reason))]
        self._pending.append(Pending(round_id, now))
        try:
            complete = self.sock.send(payload) == len(payload)
        except OSError as error:
            return self.drop(str(error))
        # With so few requests pending a full buffer means a peer that is gone.
        return [] if complete else self.drop("the socket buffer is full")

    def read(self) -> list[tuple[int, Reply]]:
        """The replies that are here, with the round that each belongs to. Never blocks."""
        if self.sock is None:
            return []
        try:
            open_end = self._fill(self.sock)
        except OSError as error:
            return [*self._settle(), *self.drop(str(error))]
        replies = list(self._settle())
        if not open_end:
            return replies + self.drop("the server closed the connection")
        if any(isinstance(r, Failed) and r.reason.startswith("NOSCRIPT") for _, r in replies):
            # Somebody flushed the scripts. A new connection loads them again.
            return replies + self.drop("the scripts were gone from the server")
        return replies

    def _fill(self, sock: socket.socket) -> bool:
        while True:
            try:
                data = sock.recv(_READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                return True
            if not data:
                return False
            self._reader.feed(data)
            # TLS keeps decrypted bytes that poll() cannot see.
            if len(data) < _READ_BYTES and not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                return True

    def _settle(self) -> Iterator[tuple[int, Reply]]:
        while self._pending and (answer := self._reader.gets()) is not False:
            yield self._pending.popleft().round_id, parse(answer)

    def drop(self, reason: str) -> list[tuple[int, Reply]]:
        """Give the connection up. Every request without an answer has failed: it may have run."""
        self.down_reason = reason
        failed: list[tuple[int, Reply]] = [(p.round_id, Failed(reason)) for p in self._pending]
        self._pending.clear()
        if self._connection is not None:
            self._connection.disconnect()
        self._connection = self.sock = None
        return failed


CONNECT_ERRORS = (RedisError, OSError, NodeUnusable)
