"""One message to another system over HTTP, signed as Standard Webhooks has it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from orders.gateways.guarded_socket import PrivateAddress, open_socket
from tasks.errors import Transient

_PREFIX = "whsec_"
_READ_BYTES = 200
GONE = 410


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """``message_id`` stays the same over all tries; ``timestamp`` (seconds) is that of the try."""

    message_id: str
    timestamp: int
    body: bytes
    secret: str


class NotTaken(Transient):
    """The receiver has not said yes. ``status``: what it answered; 0 when it did not."""

    def __init__(self, fact: str, status: int = 0) -> None:
        super().__init__(fact, status)
        self.status = status

    def __str__(self) -> str:
        return str(self.args[0])


def sign(message: SignedMessage) -> str:
    """``v1,<base64 of the HMAC-SHA256>`` over id, time and body."""
    key = base64.b64decode(message.secret.removeprefix(_PREFIX))
    signed = f"{message.message_id}.{message.timestamp}.".encode() + message.body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def is_sick(error: Exception) -> bool | None:
    """For the breaker: silence, a 5xx and 'too many' show that a receiver is sick."""
    if not isinstance(error, NotTaken):
        return None
    return error.status == 0 or error.status >= 500 or error.status == 429


def send_webhook(url: str, message: SignedMessage, *, timeout_seconds: float, private: bool) -> str:
    """POST the message; what the receiver answered, when that was a 2xx.

    A redirect is not followed. Raises NotTaken for everything else, which may be sent again under
    the same id.
    """
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if tls else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Host": parts.netloc.rpartition("@")[2], **_headers(message)}
    try:
        with open_socket(
            host, port, tls=tls, private=private, timeout_seconds=timeout_seconds
        ) as sock:
            connection = HTTPConnection(host, port)
            connection.sock = sock
            status, text = _exchange(connection, target, message.body, headers)
    except PrivateAddress as error:
        raise NotTaken(f"{error} WEBHOOK_OUT_PRIVATE=1 would allow it.") from error
    except TimeoutError as error:
        raise NotTaken(f"No answer within {timeout_seconds:g} s.") from error
    except ssl.SSLError as error:
        raise NotTaken(f"No safe connection: {error.reason or error}.") from error
    except (OSError, HTTPException, ValueError) as error:
        raise NotTaken(f"No answer: {type(error).__name__}: {error}.") from error
    answer = f"{status} {text}".strip()
    if not 200 <= status < 300:
        raise NotTaken(f"It answered {answer}", status)
    return answer


def _headers(message: SignedMessage) -> Mapping[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": "soldonce-webhooks/1",
        "Connection": "close",
        "webhook-id": message.message_id,
        "webhook-timestamp": str(message.timestamp),
        "webhook-signature": sign(message),
    }


def _exchange(
    connection: HTTPConnection, target: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, str]:
    connection.request("POST", target, body, dict(headers))
    response = connection.getresponse()
    try:
        beginning = response.read(_READ_BYTES)
    except (OSError, HTTPException):
        beginning = b""  # the status was the answer
    return response.status, " ".join(beginning.decode("utf-8", "replace").split())
