"""How a waiter learns that its key is free: a message from one node, or the end of its patience."""

import logging
import secrets
import select
import socket
import ssl
import threading
from collections.abc import Sequence
from typing import Any

import hiredis

from tasks.clock import Clock
from tasks.locks.node import CONNECT_ERRORS, make_connection
from tasks.locks.wire import Terms

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_READ_BYTES = 4_096


class Bell:
    """One subscribed connection per process, made when somebody waits. Safe for threads: one of
    those that wait reads for all. It only saves time; nothing depends on a message to arrive."""

    def __init__(self, urls: Sequence[str], terms: Terms, timeout: float, clock: Clock) -> None:
        self._urls = urls
        self._name = secrets.token_hex(8)
        self._channel = terms.bells + self._name
        self._timeout = timeout
        self._clock = clock
        self._changed = threading.Condition()
        self._expected: set[str] = set()
        self._called: set[str] = set()
        self._reading = False
        self._connection: Any = None
        self._sock: socket.socket | None = None
        self._reader = hiredis.Reader()
        self._poll = select.poll()
        self._retry_at = float("-inf")
        # Requests go to the nodes in the order of the list: once the last one has had a RELEASE,
        # the others have it too.
        self._node = len(urls) - 1

    def expect(self) -> str:
        """The name by which scripts call this thread. The same each time: whoever is called too
        late is mostly waiting again."""
        name = f"{self._name}.{threading.get_ident()}"
        with self._changed:
            self._expected.add(name)
            self._called.discard(name)
        return name

    def forget(self, name: str) -> None:
        with self._changed:
            self._expected.discard(name)
            self._called.discard(name)

    def wait(self, name: str, timeout: float) -> bool:
        """Block at most ``timeout`` seconds. True: ``name`` was called."""
        deadline = self._clock.monotonic() + timeout
        while True:
            with self._changed:
                left = deadline - self._clock.monotonic()
                if name in self._called:
                    self._called.discard(name)
                    return True
                if left <= 0:
                    return False
                if self._reading:
                    self._changed.wait(left)
                    continue
                self._reading = True
            called: set[str] = set()
            try:
                called = self._listen(left)
            finally:
                with self._changed:
                    self._reading = False
                    self._called |= called & self._expected
                    self._changed.notify_all()

    def close(self) -> None:
        """Drop the connection. The next wait makes a new one."""
        with self._changed:
            if self._connection is not None and not self._reading:
                self._drop()

    def abandon(self) -> None:
        """In a forked child: let go of the parent's socket without a word to the server."""
        if self._sock is not None:
            self._sock.close()

    def _listen(self, timeout: float) -> set[str]:
        """Names called, after at most ``timeout`` seconds. Only one thread at a time is here."""
        try:
            if self._sock is None:
                self._connect(timeout)
            if self._sock is None:
                # Nobody rings: a plain pause, in which the condition lets others in.
                with self._changed:
                    self._changed.wait(min(timeout, _RETRY_SECONDS))
                return set()
            if not self._poll.poll(timeout * 1000):
                return set()
            return self._read(self._sock)
        except CONNECT_ERRORS as error:
            logger.info("no wake-up from a lock node: %s", error)
            self._drop()
            self._node = (self._node - 1) % len(self._urls)
            self._retry_at = self._clock.monotonic() + _RETRY_SECONDS
            return set()

    def _connect(self, timeout: float) -> None:
        if self._clock.monotonic() < self._retry_at:
            return
        self._connection = make_connection(self._urls[self._node], min(timeout, self._timeout))
        self._connection.connect()
        self._connection.send_command("SUBSCRIBE", self._channel)
        self._connection.read_response()
        sock: socket.socket = self._connection._sock
        sock.setblocking(False)
        self._reader = hiredis.Reader()
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._sock = sock

    def _read(self, sock: socket.socket) -> set[str]:
        called = set()
        try:
            # Until it would block: TLS keeps decrypted bytes that poll() cannot see.
            while data := sock.recv(_READ_BYTES):
                self._reader.feed(data)
                while (message := self._reader.gets()) is not False:
                    if isinstance(message, list) and message[0] == b"message":
                        called.add(message[2].decode(errors="replace"))
        except (BlockingIOError, ssl.SSLWantReadError):
            return called
        raise ConnectionResetError("the server closed the connection")

    def _drop(self) -> None:
        connection, self._connection, self._sock = self._connection, None, None
        if connection is not None:
            connection.disconnect()
