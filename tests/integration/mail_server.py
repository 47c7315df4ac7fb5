"""A mail server that says over a real socket what a test wants: no real one falls silent, or
refuses a reader, on request."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_django import Settings

SILENCE = ""  # from here on the server says nothing more
HANG_UP = "hang up"
_POLITE = {
    "greeting": "220 ready",
    "EHLO": "250 hello",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    "message": "250 taken",
    "RSET": "250 ok",
    "QUIT": "221 bye",
}


class MailServer(threading.Thread):
    """Answers one connection by the book of ``says``; ``received`` is what came in."""

    def __init__(self, listener: socket.socket, says: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self._listener, self._says = listener, says
        self.received = b""

    def run(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(10)
        with connection, connection.makefile("rb") as lines:
            if not self._say(connection, "greeting"):
                return
            in_message = False
            for line in lines:
                self.received += line
                if in_message and line != b".\r\n":
                    continue
                step = "message" if in_message else line[:4].decode().upper()
                if not self._say(connection, step):
                    return
                in_message = step == "DATA" and self._says["DATA"].startswith("354")

    def _say(self, connection: socket.socket, step: str) -> bool:
        if self._says[step] == HANG_UP:
            return False
        if self._says[step] == SILENCE:
            connection.recv(1)  # until the client has lost its patience
            return False
        connection.sendall(f"{self._says[step]}\r\n".encode())
        return True


@contextmanager
def mail_server(settings: Settings, **says: str) -> Iterator[MailServer]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_TIMEOUT = 0.5
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        settings.EMAIL_HOST, settings.EMAIL_PORT = listener.getsockname()
        server = MailServer(listener, {**_POLITE, **says})
        server.start()
        yield server
        server.join(15)
        assert not server.is_alive()
