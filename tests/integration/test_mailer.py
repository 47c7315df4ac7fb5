"""What a mail server says, over a real socket, becomes the right fact.

The peer is a socket that speaks SMTP's lines as told: no real server falls silent on request.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pytest_django import Settings

from orders.gateways.mailer import Mail, MailRefused, send_mail
from tasks.errors import OutcomeUnknown, Permanent, TaskError, Transient

MAIL = Mail("zoe@example.org", "Paid", "Paid.", "<p>Paid.</p>", "<order-42-paid@shop.example>")
SILENCE = ""  # from here on the peer says nothing more
HANG_UP = "hang up"
POLITE = {
    "greeting": "220 ready",
    "EHLO": "250 hello",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    "message": "250 taken",
    "RSET": "250 ok",
    "QUIT": "221 bye",
}


class _Peer(threading.Thread):
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
def _peer(settings: Settings, **says: str) -> Iterator[_Peer]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_TIMEOUT = 0.5
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        settings.EMAIL_HOST, settings.EMAIL_PORT = listener.getsockname()
        peer = _Peer(listener, {**POLITE, **says})
        peer.start()
        yield peer
        peer.join(15)
        assert not peer.is_alive()


def test_a_mail_goes_out_under_its_own_message_id(settings: Settings) -> None:
    with _peer(settings) as peer:
        send_mail(MAIL)
    assert b"Message-ID: <order-42-paid@shop.example>\r\n" in peer.received
    assert b"multipart/alternative" in peer.received


@pytest.mark.parametrize(
    ("says", "fact"),
    [
        ({"greeting": "421 too busy"}, Transient),
        ({"greeting": "554 not you"}, Transient),
        ({"greeting": SILENCE}, Transient),
        ({"EHLO": HANG_UP}, Transient),
        ({"MAIL": "451 later"}, Transient),
        ({"MAIL": "550 never from you"}, Permanent),
        ({"RCPT": "450 greylisted"}, Transient),
        ({"RCPT": "550 nobody here"}, MailRefused),
        ({"RCPT": SILENCE}, Transient),
        ({"DATA": "451 later"}, Transient),
        ({"message": "452 no room"}, Transient),
        ({"message": "554 not wanted"}, MailRefused),
        ({"message": SILENCE}, OutcomeUnknown),
        ({"message": HANG_UP}, OutcomeUnknown),
    ],
)
def test_an_answer_of_the_mail_server_decides_what_happens_next(
    settings: Settings, says: dict[str, str], fact: type[TaskError]
) -> None:
    with _peer(settings, **says), pytest.raises(fact) as raised:
        send_mail(MAIL)
    assert type(raised.value) is fact
    assert "zoe@example.org" not in str(raised.value)


def test_a_mail_was_sent_even_if_the_server_never_says_goodbye(settings: Settings) -> None:
    with _peer(settings, QUIT=HANG_UP) as peer:
        send_mail(MAIL)
    assert b"quit" in peer.received


def test_without_a_mail_server_the_mail_waits(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with socket.socket() as bound:  # bound and not listening: connecting is refused
        bound.bind(("127.0.0.1", 0))
        settings.EMAIL_HOST, settings.EMAIL_PORT = bound.getsockname()
        with pytest.raises(Transient) as raised:
            send_mail(MAIL)
    assert type(raised.value) is Transient
