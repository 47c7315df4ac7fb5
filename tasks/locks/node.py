"""One connection to one lock node: requests go out and replies come back in the same order.

Nothing is ever sent twice. A node that does not answer in time keeps its connection, because a
RELEASE must follow its ACQUIRE on the same one: on a new connection it could overtake it, and the
slot would stay taken by nobody. Such a node is *stalled*: it gets no new work until it answers.
"""

import logging
import socket
import ssl
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import hiredis
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from tasks.clock import Clock
from tasks.locks.messages import Failed, Granted, Reply
from tasks.locks.observer import LockObserver, SilentObserver
from tasks.locks.wire import parse, signature

logger = logging.getLogger(__name__)

# More than this and the node is not keeping up: its socket buffer must not fill with our requests.
_MOST_PENDING = 32
_READ_BYTES = 4_096


class Labelled(Protocol):
    """Whatever has the name of a node."""

    @property
    def name(self) -> str: ...


class NodeUnusable(Exception):
    """The node cannot be used as it is configured. The message says what to change."""


class Session(NamedTuple):
    """A connected and checked server."""

    connection: Any
    sock: socket.socket
    run_id: str


@lru_cache
def label(url: str) -> str:
    """The place a URL points to, without its credentials: for logs and messages."""
    parts: dict[str, object] = parse_url(url)  # type: ignore[no-untyped-call]
    if "path" in parts:
        return str(parts["path"])
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 6379)}"


def open_session(url: str, timeout: float, loading: Sequence[bytes] = ()) -> Session:
    """Connect, authenticate, check the server and send the commands ``loading``. Blocks up to
    ``timeout`` per step; raises RedisError, OSError or NodeUnusable."""
    connection = make_connection(url, timeout)
    try:
        connection.connect()
        connection.send_command("INFO")
        run_id = _check(connection.read_response())
        connection.send_packed_command(loading)
        for _ in loading:
            connection.read_response()
        _speak_resp3(connection)
        # redis-py has no public way to wait on several connections at once.
        sock = connection._sock
    except BaseException:
        connection.disconnect()
        raise
    return Session(connection, sock, run_id)


def _speak_resp3(connection: Any) -> None:
    """From here on the server may say something by itself, between two answers."""
    try:
        connection.send_command("HELLO", 3)
        connection.read_response()
    except ResponseError as error:
        raise NodeUnusable(too_old(error)) from error


def too_old(error: ResponseError) -> str:
    """Why a server that does not know RESP3 is no lock node."""
    return f"it cannot call those who wait ({error}). Lock nodes must be Redis 6 or newer."


def make_connection(url: str, timeout: float) -> Any:
    """A connection of redis-py that never sends anything twice, not connected yet."""
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

    def __init__(
        self, index: int, url: str, timeout: float, clock: Clock, observer: LockObserver
    ) -> None:
        self.index = index
        self.url = url
        self.name = label(url)
        self.run_id = ""
        self.signature = b""
        """What this server needs at the end of an ACQUIRE or RELEASE."""
        self.sock: socket.socket | None = None
        self.down_reason = "not connected yet"
        self._timeout = timeout
        self._clock = clock
        # Asking the clock for nobody would be a tenth of the time that a round trip takes.
        self._observer = None if isinstance(observer, SilentObserver) else observer
        self._tls = False
        self._connection: Any = None
        self._reader = hiredis.Reader()
        self.pending: deque[tuple[int, float]] = deque()
        """Round and monotonic seconds of each request without an answer, oldest first."""
        self.pushed: list[tuple[int, Any]] = []
        """What servers said by themselves, with the node's index. Shared by all nodes."""
        self.late: list[tuple[int, int, Reply]] = []
        """Round, node's index and reply, of rounds that nobody waits for. Shared by all nodes."""

    def adopt(self, session: Session, greeting: bytes = b"") -> None:
        """Take a new connection into use; ``greeting`` is sent on it and has no answer."""
        self._connection, self.sock, self.run_id = session
        self.signature = signature(self.run_id)
        self._tls = isinstance(self.sock, ssl.SSLSocket)
        self.sock.setblocking(False)
        self._reader = hiredis.Reader()
        self.pending.clear()
        if greeting:
            self.sock.send(greeting)

    @property
    def connected(self) -> bool:
        return self.sock is not None

    def overdue(self, now: float) -> float:
        """Seconds for which the oldest request has been waiting for its answer."""
        return now - self.pending[0][1] if self.pending else 0.0

    def stalled(self, now: float) -> bool:
        pending = self.pending
        return bool(pending) and (
            len(pending) >= _MOST_PENDING or now - pending[0][1] > self._timeout
        )

    def read(self, wanted: int, now: float, into: list[tuple[int, Reply]]) -> None:
        """Put the replies that are here and belong to the round ``wanted`` into ``into`` as (node,
        reply), and the others into ``late``. ``now`` in monotonic seconds. Never blocks."""
        sock, reader = self.sock, self._reader
        if sock is None:
            return
        gone = ""
        try:
            data = sock.recv(_READ_BYTES)
            if data:
                reader.feed(data)
                if self._tls or len(data) == _READ_BYTES:
                    self._read_on(sock)
            else:
                gone = "the server closed the connection"
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError as error:
            gone = str(error)
        pending, index, observer = self.pending, self.index, self._observer
        while (answer := reader.gets()) is not False:
            kind = type(answer)
            if kind is hiredis.PushNotification:
                self.pushed.append((index, answer))
            elif not pending:
                gone = "it answered what it was not asked"
            else:
                round_id, sent_at = pending.popleft()
                reply = Granted(answer) if kind is int else parse(answer)
                if round_id == wanted:
                    into.append((index, reply))
                    # A late reply is read when the next round comes, so its age tells nothing.
                    if observer is not None:
                        observer.node_answered(self.name, now - sent_at)
                else:
                    self.late.append((round_id, index, reply))
                if kind is hiredis.ReplyError:
                    gone = self._failed(str(answer)) or gone
        if gone:
            self.drop(gone, wanted, into)

    def _read_on(self, sock: socket.socket) -> None:
        """TLS keeps decrypted bytes that poll() cannot see, so everything is read at once."""
        while data := sock.recv(_READ_BYTES):
            self._reader.feed(data)

    def _failed(self, reason: str) -> str:
        """Why the connection is of no use any more; empty when it is."""
        if self._observer is not None:
            self._observer.node_failed(self.name, reason)
        # Somebody flushed the scripts. A new connection loads them again.
        return "the scripts were gone from the server" if reason.startswith("NOSCRIPT") else ""

    def drop(self, reason: str, wanted: int, into: list[tuple[int, Reply]]) -> None:
        """Give the connection up. Every request without an answer has failed: it may have run."""
        self.down_reason = reason
        for round_id, _ in self.pending:
            if round_id == wanted:
                into.append((self.index, Failed(reason)))
            else:
                self.late.append((round_id, self.index, Failed(reason)))
        self.pending.clear()
        if self._connection is not None:
            if self._observer is not None:
                self._observer.node_failed(self.name, reason)
            self._connection.disconnect()
        self._connection = self.sock = None


CONNECT_ERRORS = (RedisError, OSError, NodeUnusable)
