"""What a mail server says, over a real socket, becomes the right fact."""

import socket

import pytest
from pytest_django import Settings

from orders.gateways.mailer import Mail, MailRefused, send_mail
from tasks.errors import OutcomeUnknown, Permanent, TaskError, Transient
from tests.integration.mail_server import HANG_UP, SILENCE, mail_server

MAIL = Mail("zoe@example.org", "Paid", "Paid.", "<p>Paid.</p>", "<order-42-paid@shop.example>")


def test_a_mail_goes_out_under_its_own_message_id(settings: Settings) -> None:
    with mail_server(settings) as peer:
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
    with mail_server(settings, **says), pytest.raises(fact) as raised:
        send_mail(MAIL)
    assert type(raised.value) is fact
    assert "zoe@example.org" not in str(raised.value)


def test_a_mail_was_sent_even_if_the_server_never_says_goodbye(settings: Settings) -> None:
    with mail_server(settings, QUIT=HANG_UP) as peer:
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
