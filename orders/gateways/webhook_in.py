"""What the provider tells us by itself: whether it is from them, and what it is about.

Such a message is a hint and never the truth: it may come late, twice, or before an older one.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

_LONGEST_ID = 120


class BadSignature(Exception):
    """It is not from the provider, or it is too old: anybody may have sent it."""


class BadWebhook(Exception):
    """It is from the provider, and nobody can read it."""


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """One event. References are the provider's, empty where there is none; ids are ours, out of
    the metadata, None where there is none. ``status`` is that of the payment or refund at
    ``created_at``, by the provider's clock; it may have changed since."""

    event_id: str
    type: str
    created_at: datetime
    status: str
    intent_reference: str
    refund_reference: str
    order_number: str
    payment_id: int | None
    refund_id: int | None
    payload: dict[str, Any]


def read_webhook(body: bytes, signature: str) -> WebhookMessage:
    """The message in a request with this ``Stripe-Signature`` header.

    Raises BadSignature, also for one that was signed more than WEBHOOK_TOLERANCE_SECONDS ago or
    when no STRIPE_WEBHOOK_SECRET is set; BadWebhook.
    """
    _check(body, signature)
    try:
        payload = json.loads(body)
    except ValueError as error:
        raise BadWebhook("The body is no JSON.") from error
    return message_in(payload)


def message_in(payload: Any) -> WebhookMessage:
    """The message that an event's JSON is. Raises BadWebhook."""
    try:
        about = payload["data"]["object"]
        metadata = about.get("metadata") or {}
        message = WebhookMessage(
            event_id=_text(payload["id"]),
            type=_text(payload["type"]),
            created_at=datetime.fromtimestamp(payload["created"], UTC),
            status=_text(about.get("status")),
            intent_reference=_reference(about, "payment_intent"),
            refund_reference=_reference(about, "refund"),
            order_number=_text(metadata.get("order_number")),
            payment_id=_number(metadata.get("payment_id")),
            refund_id=_number(metadata.get("refund_id")),
            payload=payload,
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, OSError) as error:
        raise BadWebhook("The body is no event: id, type, created or data is missing.") from error
    if not message.event_id or len(message.event_id) > _LONGEST_ID:
        raise BadWebhook(f"The event's id must have 1 to {_LONGEST_ID} characters.")
    return message


def _check(body: bytes, signature: str) -> None:
    # The SDK takes half a second to load, and most processes never hear from the provider.
    from stripe import SignatureVerificationError, WebhookSignature  # noqa: PLC0415

    secret = settings.STRIPE_WEBHOOK_SECRET
    if not secret:
        raise BadSignature("This shop takes no webhooks: STRIPE_WEBHOOK_SECRET is not set.")
    if not signature:
        raise BadSignature("The Stripe-Signature header is missing.")
    try:
        text = body.decode()
        WebhookSignature.verify_header(text, signature, secret)
    # TypeError: a signature with letters that no signature has.
    except (SignatureVerificationError, UnicodeDecodeError, TypeError) as error:
        raise BadSignature(
            "The signature does not fit the body. Check that STRIPE_WEBHOOK_SECRET is the secret "
            "of this very endpoint."
        ) from error
    seconds = settings.WEBHOOK_TOLERANCE_SECONDS
    try:
        WebhookSignature.verify_header(text, signature, secret, seconds)
    except SignatureVerificationError as error:
        raise BadSignature(
            f"It was signed more than {seconds} seconds ago. Check that the clocks are right."
        ) from error


def _reference(about: dict[str, Any], kind: str) -> str:
    """Of the object itself, or of the one that it belongs to."""
    return _text(about.get("id") if about.get("object") == kind else about.get(kind))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    digits = _text(value)
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 19 else None
