"""The least that a fan-out with a quorum costs in Python: what our client is measured against.

SET NX PX to all nodes, compare-and-delete by script to all nodes; each returns when a majority has
answered, and the others' answers are thrown away when they come. No fencing, no checks, no faults.
"""

import secrets
import select
import socket
from collections.abc import Sequence
from typing import Any, cast

import hiredis

from ops.bench.contenders.base import TTL_SECONDS, Contender, place

_COMPARE_AND_DELETE = (
    b"if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
)


def _pack(*command: str | int | bytes) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # typed as a 1-tuple
    return packed


class Floor(Contender):
    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__(urls)
        self._sockets = [socket.create_connection(place(url), timeout=5) for url in urls]
        self._readers: dict[int, tuple[socket.socket, Any]] = {}
        self._seen: dict[int, int] = {}
        self._poll = select.poll()
        for sock in self._sockets:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(_pack("SCRIPT", "LOAD", _COMPARE_AND_DELETE))
            reader = hiredis.Reader()
            while (sha := reader.gets()) is False:
                reader.feed(sock.recv(4096))
            self._sha = sha
            sock.setblocking(False)
            self._readers[sock.fileno()] = (sock, reader)
            self._seen[sock.fileno()] = 0
            self._poll.register(sock.fileno(), select.POLLIN)
        self._quorum = len(urls) // 2 + 1
        self._asked = 0

    def acquire(self, key: str, timeout: float) -> object | None:
        nonce = secrets.token_hex(16)
        milliseconds = TTL_SECONDS * 1000
        command = _pack("SET", key, nonce, "NX", "PX", milliseconds)
        return (key, nonce) if self._ask(command, b"OK") else None

    def release(self, held: object) -> None:
        key, nonce = cast(tuple[str, str], held)
        self._ask(_pack("EVALSHA", self._sha, 1, key, nonce), 1)

    def _ask(self, command: bytes, wanted: object) -> bool:
        for sock in self._sockets:
            sock.send(command)
        self._asked += 1
        votes = 0
        while votes < self._quorum:
            ready = self._poll.poll(1000)
            if not ready:
                return False
            for fd, _ in ready:
                sock, reader = self._readers[fd]
                reader.feed(sock.recv(65_536))
                while (answer := reader.gets()) is not False:
                    self._seen[fd] += 1
                    # The n-th answer of a connection is to its n-th request: late ones are told.
                    votes += self._seen[fd] == self._asked and answer == wanted
        return True
