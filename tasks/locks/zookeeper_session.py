"""One ZooKeeper session per process, on which no call waits longer than it may."""

import atexit
import contextlib
import os
import threading
import time
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import ConnectionLoss, KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.hosts import collect_hosts
from kazoo.retry import KazooRetry

from tasks.locks.limits import CLOCK_ALLOWANCE_SECONDS

_CLOSE_SECONDS = 2.0
# For so long after a loss a call waits for the next connection; later it fails at once.
_PATIENCE_SECONDS = 1.0


class EnsembleAway(Exception):
    """ZooKeeper cannot be asked, did not answer in time, or must not be used."""


class ZooKeeperSession:
    """Connects on first use. Safe for threads; a forked child gets a session of its own."""

    def __init__(self, hosts: Sequence[str], *, root: str, shortest: float) -> None:
        """``root``: the folder of all nodes. ``shortest``: seconds that a session must outlive its
        last sign of life, else the ensemble would free leases before their end."""
        if not any(hosts):
            raise ValueError("There is no ZooKeeper server. Name at least one, better three.")
        collect_hosts(",".join(hosts))
        self.root = root
        self.place = ",".join(hosts)
        self._shortest = shortest
        self._start_afresh()
        _ALIVE.add(self)

    def _start_afresh(self) -> None:
        self._starting = threading.Lock()
        self._client: Any = None
        self._connected = threading.Event()
        self._away_since = 0.0
        self._session_seconds = 0.0
        self._birth: int | None = None
        self._unanswered: Any = None
        self._silent_since = 0.0
        self._doubtful: set[tuple[str, str]] = set()

    # All of these raise EnsembleAway, and kazoo's errors for what the ensemble refuses.

    def line_up(
        self, folder: str, mark: str, content: bytes, deadline: float
    ) -> tuple[str, Any, list[str]]:
        """Create an ephemeral sequential node; its path, its stat, and all names in its folder as
        they were when it had been created. Nothing is left behind by a failure."""
        try:
            return self._line_up(folder, mark, content, deadline)
        except NoNodeError:
            self._birth = None
            self._result(self._usable(deadline).ensure_path_async(folder), deadline)
            return self._line_up(folder, mark, content, deadline)

    def token(self, zxid: int, deadline: float) -> int:
        """The transaction's number, counted from the moment in µs at which the root was made.

        So numbers keep rising when an ensemble is set up anew, and compare with the tokens of the
        other backends, which are clock readings in µs.
        """
        birth = self._birth
        if birth is None:
            root = self._result(self._usable(deadline).exists_async(self.root), deadline)
            if root is None:
                raise EnsembleAway(f"{self.root} was removed")
            birth = self._birth = int(root.ctime * 1000 - root.czxid)
        return birth + zxid

    def read(self, path: str, deadline: float) -> tuple[bytes, Any]:
        """A node's content and stat."""
        content, stat = self._result(self._usable(deadline).get_async(path), deadline)
        return content, stat

    def write(self, path: str, content: bytes, deadline: float) -> None:
        """Replace a node's content."""
        self._result(self._usable(deadline).set_async(path, content), deadline)

    def remove_version(self, path: str, version: int, deadline: float) -> None:
        """Remove a node unless it was written after this version."""
        self._result(self._usable(deadline).delete_async(path, version), deadline)

    def remove(self, path: str, deadline: float) -> None:
        """Remove a node of ours. Raises as ``wait`` does; it then goes as soon as it can."""
        self._result(self._ask_to_remove(self._usable(deadline), path), deadline)

    def drop(self, path: str) -> None:
        """Remove a node of ours without waiting."""
        if self._client is not None:
            self._ask_to_remove(self._client, path)

    def _ask_to_remove(self, client: KazooClient, path: str) -> Any:
        def note(removed: Any) -> None:
            if isinstance(removed.exception, ConnectionLoss):
                folder, name = path.rsplit("/", 1)
                self._doubtful.add((folder, name))

        asked = client.delete_async(path)
        asked.rawlink(note)
        return asked

    def close(self) -> None:
        """End the session, within a limit: a server that hangs does not keep us."""
        with self._starting:
            client, self._client = self._client, None
        if client is not None:
            client.remove_listener(self._state_changed)
            self._forget_session()
            ending = threading.Thread(target=_end, args=(client,), daemon=True)
            ending.start()
            ending.join(_CLOSE_SECONDS)

    # -- one answer -----------------------------------------------------------

    def _line_up(
        self, folder: str, mark: str, content: bytes, deadline: float
    ) -> tuple[str, Any, list[str]]:
        client = self._usable(deadline)
        made = client.create_async(
            f"{folder}/{mark}", content, ephemeral=True, sequence=True, include_data=True
        )
        # Sent at once, answered in order: the list knows everything that came before our node.
        listed = client.get_children_async(folder)
        try:
            path, stat = self._result(made, deadline)
            names = self._result(listed, deadline)
            if self._session_seconds < self._shortest:
                raise EnsembleAway(
                    f"it ends sessions after {self._session_seconds:g} s, before a lease of "
                    f"{self._shortest:g} s: raise its maxSessionTimeout or lower LOCK_TTL_SECONDS"
                )
        except BaseException:
            made.rawlink(lambda late: self._disown(client, late, folder, mark))
            raise
        return path, stat, names

    def _disown(self, client: KazooClient, made: Any, folder: str, mark: str) -> None:
        """Remove a node that nobody wants, now that its fate is known."""
        if made.successful():
            client.delete_async(made.value[0])
        elif isinstance(made.exception, ConnectionLoss):
            self._doubtful.add((folder, mark))

    def _remove_doubtful(self, client: KazooClient) -> None:
        while self._doubtful:
            folder, mark = self._doubtful.pop()

            def remove(listed: Any, folder: str = folder, mark: str = mark) -> None:
                if not listed.successful():
                    self._doubtful.add((folder, mark))
                    return
                for name in listed.value:
                    if name.startswith(mark):
                        client.delete_async(f"{folder}/{name}")

            client.get_children_async(folder).rawlink(remove)

    def _result(self, asked: Any, deadline: float) -> Any:
        try:
            return asked.get(timeout=max(0.0, deadline - time.monotonic()))
        except KazooTimeoutError:
            self._unanswered, self._silent_since = asked, time.monotonic()
            raise EnsembleAway("it did not answer in time") from None

    # -- one session ----------------------------------------------------------

    def _usable(self, deadline: float) -> KazooClient:
        """The client, connected and not known to be silent."""
        with self._starting:
            client = self._client = self._client or self._connect()
        now = time.monotonic()
        if self._unanswered is not None and not self._unanswered.ready():
            raise EnsembleAway(f"it has not answered for {now - self._silent_since:.1f} s")
        self._unanswered = None
        if not client.connected:
            patient = now - self._away_since < _PATIENCE_SECONDS
            if not (patient and self._connected.wait(max(0.0, deadline - now))):
                raise EnsembleAway("there is no connection")
        if self._doubtful:
            self._remove_doubtful(client)
        return client

    def _connect(self) -> KazooClient:
        client = KazooClient(
            self.place,
            # The servers may round it, so what they made of it is checked at every attempt.
            timeout=self._shortest + CLOCK_ALLOWANCE_SECONDS,
            connection_retry=KazooRetry(max_tries=-1, delay=0.05, max_delay=2.0),
        )
        self._connected = threading.Event()
        self._away_since = time.monotonic()
        self._note_session_length(client)
        client.add_listener(self._state_changed)
        client.start_async()
        return client

    def _note_session_length(self, client: KazooClient) -> None:
        """kazoo keeps the length that the servers agreed to only as a return value."""
        connect = client._connection._connect

        def noting(host: str, address: str, port: int) -> tuple[float, float]:
            read_ms, connect_ms = connect(host, address, port)
            self._session_seconds = read_ms * 1.5 / 1000
            return read_ms, connect_ms

        client._connection._connect = noting

    def _state_changed(self, state: str) -> None:
        if state == KazooState.CONNECTED:
            self._connected.set()
            return
        if self._connected.is_set():
            self._away_since = time.monotonic()
        self._connected.clear()
        if state == KazooState.LOST:
            self._forget_session()

    def _forget_session(self) -> None:
        """All its nodes are gone, and the next ensemble may be another one."""
        self._unanswered = None
        self._doubtful.clear()
        self._birth = None

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


_ALIVE: WeakSet[ZooKeeperSession] = WeakSet()


def _renew_all_after_fork() -> None:
    for session in list(_ALIVE):
        session._after_fork()


os.register_at_fork(after_in_child=_renew_all_after_fork)
