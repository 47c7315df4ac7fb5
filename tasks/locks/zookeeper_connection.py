"""The connection to ZooKeeper: one session per process, each wait with an end."""

import atexit
import contextlib
import os
import threading
import time
from typing import Any
from weakref import WeakSet

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import KazooRetry

_CLOSE_SECONDS = 2.0
_HANDSHAKE_SECONDS = 1.0
# For so long after a loss a call waits for the next connection; later it fails at once.
_PATIENCE_SECONDS = 1.0


class EnsembleAway(Exception):
    """ZooKeeper cannot be asked, did not answer in time, or must not be used."""


class ZooKeeperConnection:
    """Connects on first use. Safe for threads; a forked child gets a session of its own."""

    def __init__(self, place: str, session_seconds: float) -> None:
        """``place``: host:port of each server, comma-separated. ``session_seconds``: how long the
        ensemble is asked to keep a session that is silent."""
        self.place = place
        self._wanted_seconds = session_seconds
        self._start_afresh()
        _ALIVE.add(self)

    def _start_afresh(self) -> None:
        self._starting = threading.Lock()
        self._client: Any = None
        self._connected = threading.Event()
        self._away_since = 0.0
        self._unanswered: Any = None
        self._silent_since = 0.0
        self.session_seconds = 0.0
        """What the ensemble agreed to; known with the first answer."""
        self.forget_session()

    def forget_session(self) -> None:
        """Its nodes are gone, and the next ensemble may be another one."""
        self._unanswered = None

    def usable(self, deadline: float, *, patient: bool = False) -> KazooClient:
        """The client, connected and not known to be silent. ``patient``: waits for a connection
        until the deadline, however long there was none."""
        with self._starting:
            client = self._client = self._client or self._connect()
        now = time.monotonic()
        if self._unanswered is not None and not self._unanswered.ready():
            raise EnsembleAway(f"it has not answered for {now - self._silent_since:.1f} s")
        self._unanswered = None
        if not client.connected:
            patient = patient or now - self._away_since < _PATIENCE_SECONDS
            if not (patient and self._connected.wait(max(0.0, deadline - now))):
                raise EnsembleAway("there is no connection")
        return client

    def result(self, asked: Any, deadline: float) -> Any:
        """What was asked for, until ``deadline``. Raises EnsembleAway, and kazoo's errors for what
        the ensemble refuses."""
        try:
            return asked.get(timeout=max(0.0, deadline - time.monotonic()))
        except KazooTimeoutError:
            self._unanswered, self._silent_since = asked, time.monotonic()
            raise EnsembleAway("it did not answer in time") from None

    def close(self) -> None:
        """End the session, within a limit: a server that hangs does not keep us."""
        with self._starting:
            client, self._client = self._client, None
        if client is not None:
            client.remove_listener(self._state_changed)
            self.forget_session()
            ending = threading.Thread(target=_end, args=(client,), daemon=True)
            ending.start()
            ending.join(_CLOSE_SECONDS)

    def _connect(self) -> KazooClient:
        client = KazooClient(
            self.place,
            timeout=self._wanted_seconds,
            connection_retry=KazooRetry(max_tries=-1, delay=0.05, max_delay=0.5),
        )
        self._connected = threading.Event()
        self._away_since = time.monotonic()
        self._note_session_length(client)
        self._limit_handshake(client)
        client.add_listener(self._state_changed)
        client.start_async()
        return client

    def _note_session_length(self, client: KazooClient) -> None:
        """kazoo keeps the length that the servers agreed to only as a return value."""
        connect = client._connection._connect

        def noting(host: str, address: str, port: int) -> tuple[float, float]:
            read_ms, connect_ms = connect(host, address, port)
            self.session_seconds = read_ms * 1.5 / 1000
            return read_ms, connect_ms

        client._connection._connect = noting

    def _limit_handshake(self, client: KazooClient) -> None:
        """A server that is just starting may take the connection and never answer on it. kazoo
        waits for a whole session before it tries again, by when every lease would have ended."""
        invoke = client._connection._invoke

        def limited(seconds: float, request: Any, xid: Any = None) -> Any:
            return invoke(min(seconds, _HANDSHAKE_SECONDS), request, xid)

        client._connection._invoke = limited

    def _state_changed(self, state: str) -> None:
        if state == KazooState.CONNECTED:
            self._connected.set()
            return
        if self._connected.is_set():
            self._away_since = time.monotonic()
        self._connected.clear()
        if state == KazooState.LOST:
            self.forget_session()

    def _after_fork(self) -> None:
        """In the child: let go of the parent's sockets without a word to the server."""
        client = self._client
        self._start_afresh()
        if client is None:
            return
        # Would wait at exit for threads that the child does not have.
        atexit.unregister(client.handler.stop)
        connection = client._connection
        for its in (connection._socket, connection._read_sock, connection._write_sock):
            if its is not None:
                its.close()


def _end(client: KazooClient) -> None:
    with contextlib.suppress(KazooException, OSError):
        client.stop()
        client.close()


_ALIVE: WeakSet[ZooKeeperConnection] = WeakSet()


def _renew_all_after_fork() -> None:
    for session in list(_ALIVE):
        session._after_fork()


os.register_at_fork(after_in_child=_renew_all_after_fork)
