"""A TCP connection to the broker that breaks after so many bytes, wherever in a frame that is."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_CHUNK = 1_024
_TIMEOUT_SECONDS = 30


class CuttingProxy:
    """Forwards to the server of ``url``. ``cut_up`` and ``cut_down`` are the bytes that may still
    pass to the server and from it; None: all."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._door = socket.create_server(("127.0.0.1", 0))
        port = self._door.getsockname()[1]
        user = self._to.netloc.rpartition("@")[0]
        self.url = self._to._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
        self.cut_up: int | None = None
        self.cut_down: int | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._door.close()

    def _serve(self) -> None:
        with suppress(OSError):  # the door was closed
            while True:
                client, _ = self._door.accept()
                server = socket.create_connection(
                    (self._to.hostname or "", self._to.port or 5672), _TIMEOUT_SECONDS
                )
                for source, sink, name in (
                    (client, server, "cut_up"),
                    (server, client, "cut_down"),
                ):
                    source.settimeout(_TIMEOUT_SECONDS)
                    threading.Thread(
                        target=self._pump, args=(source, sink, name), daemon=True
                    ).start()

    def _pump(self, source: socket.socket, sink: socket.socket, name: str) -> None:
        with suppress(OSError):  # the other direction was cut, or somebody went away
            while data := source.recv(_CHUNK):
                left = getattr(self, name)
                if left is not None and len(data) >= left:
                    sink.sendall(data[:left])
                    break
                if left is not None:
                    setattr(self, name, left - len(data))
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def cutting_proxy(url: str) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
