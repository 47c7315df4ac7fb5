"""One mail out, with the server's answer translated into what a task must do next."""

import smtplib
from dataclasses import dataclass

from django.core.mail import EmailMultiAlternatives

from tasks.errors import OutcomeUnknown, Permanent, Transient


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file; ``kind`` is its media type, like ``text/csv``."""

    name: str
    content: bytes
    kind: str


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to one person.

    ``message_id`` has the form ``<left@right>`` and comes from the notification's row, so that the
    same notification sent twice is the same message to whoever receives it.
    """

    recipient: str
    subject: str
    text: str
    html: str
    message_id: str
    attachments: tuple[Attachment, ...] = ()


class MailRefused(Permanent):
    """This mail will never be taken as it stands: its reader or its content is refused. Others may
    well be."""


def send_mail(mail: Mail) -> None:
    """Hand the mail over to the configured backend, once.

    Raises:
        tasks.errors.Transient: nothing was taken: no connection, a temporary refusal (4xx), or a
            mail folder that cannot be written.
        tasks.errors.OutcomeUnknown: the connection died or went silent while the message was
            under way. Sent again under the same Message-ID, it is the same message.
        MailRefused: it will never be taken as it stands (5xx to the reader or to the content, an
            address or a header that is none).
        tasks.errors.Permanent: the server will not work with us (5xx to the sender or to our
            login); the same for every mail, until somebody has mended it.
    """
    try:
        message = EmailMultiAlternatives(
            subject=mail.subject,
            body=mail.text,
            to=[mail.recipient],
            # Auto-Submitted (RFC 3834) keeps holiday notices from answering.
            headers={"Message-ID": mail.message_id, "Auto-Submitted": "auto-generated"},
        )
        message.attach_alternative(mail.html, "text/html")
        for file in mail.attachments:
            message.attach(file.name, file.content, file.kind)
        message.send(fail_silently=False)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise _translated(error) from error


def _translated(error: Exception) -> Exception:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        worst = max(codes, default=0)
        return _by_code(worst, "The mail server refused the recipient.", never=MailRefused)
    if isinstance(error, smtplib.SMTPDataError):
        return _by_code(error.smtp_code, "The mail server refused the message.", never=MailRefused)
    if isinstance(error, smtplib.SMTPConnectError):
        # Refused at the door, whatever the code says: another minute may be better.
        return Transient(f"The mail server did not let us in ({error.smtp_code}).")
    if isinstance(error, smtplib.SMTPResponseException):
        return _by_code(error.smtp_code, f"{type(error).__name__} from the mail server.")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Permanent(f"The mail server cannot do what this mail needs: {error}.")
    if isinstance(error, smtplib.SMTPServerDisconnected | TimeoutError):
        return _after_silence(error)
    if isinstance(error, ValueError):
        return MailRefused(f"This mail cannot be written: {error}.")
    return Transient(f"The mail could not be handed over: {error}.")


def _by_code(code: int, fact: str, *, never: type[Permanent] = Permanent) -> Exception:
    # RFC 5321, 4.2.1: 4yz may be tried again as it stands, 5yz may not.
    kind = never if code >= 500 else Transient
    return kind(f"{fact} It answered {code}.")


def _after_silence(error: Exception) -> Exception:
    """A silence while connecting took nothing; one after DATA may have delivered the mail.

    smtplib reports both alike (a timed-out read becomes SMTPServerDisconnected), so the frames of
    the traceback tell how far the conversation was.
    """
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code is smtplib.SMTP.data.__code__:
            return OutcomeUnknown("The mail server went silent while it was taking the message.")
        frame = frame.tb_next
    return Transient(f"The mail server went silent before it took anything: {error}.")
