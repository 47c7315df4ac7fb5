"""The API objects as Stripe shapes them, reduced to the fields that a shop reads."""

import secrets
import time
from typing import Any

from ops.sandbox.payment_methods import Decline, PaymentMethod

ApiObject = dict[str, Any]


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def payment_intent(
    *,
    amount: int,
    currency: str,
    payment_method: str,
    description: str | None,
    metadata: dict[str, str],
) -> ApiObject:
    """A PaymentIntent that has moved nothing yet."""
    intent_id = new_id("pi")
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{intent_id}_secret_{secrets.token_hex(8)}",
        "confirmation_method": "automatic",
        "created": int(time.time()),
        "currency": currency,
        "customer": None,
        "description": description,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": metadata,
        "next_action": None,
        "payment_method": payment_method,
        "payment_method_types": ["card"],
        "status": "requires_confirmation",
    }


def charge(intent: ApiObject, method: PaymentMethod, decline: Decline | None) -> ApiObject:
    """The attempt on the card: captured in full, or failed."""
    moved = 0 if decline else intent["amount"]
    return {
        "id": new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": moved,
        "amount_refunded": 0,
        "captured": not decline,
        "created": int(time.time()),
        "currency": intent["currency"],
        "customer": None,
        "description": intent["description"],
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "livemode": False,
        "metadata": intent["metadata"],
        "paid": not decline,
        "payment_intent": intent["id"],
        "payment_method": method.token,
        "payment_method_details": {
            "type": "card",
            "card": {"brand": method.brand, "last4": method.last4, "country": None},
        },
        "refunded": False,
        "status": "failed" if decline else "succeeded",
    }


def refund(
    of_charge: ApiObject, *, amount: int, reason: str | None, metadata: dict[str, str], status: str
) -> ApiObject:
    return {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "charge": of_charge["id"],
        "created": int(time.time()),
        "currency": of_charge["currency"],
        "failure_reason": None,
        "metadata": metadata,
        "payment_intent": of_charge["payment_intent"],
        "reason": reason,
        "status": status,
    }


def event(kind: str, body: ApiObject) -> ApiObject:
    """What a webhook carries: ``body`` as it is now, which may be the past when it arrives."""
    return {
        "id": new_id("evt"),
        "object": "event",
        "created": int(time.time()),
        "data": {"object": body},
        "livemode": False,
        "pending_webhooks": 1,
        "type": kind,
    }


def payment_error(decline: Decline) -> ApiObject:
    """The bank's reason, as an intent keeps it."""
    reason = {"decline_code": decline.decline_code} if decline.decline_code else {}
    return {
        "type": "card_error",
        "code": decline.code,
        "message": decline.message,
        **reason,
    }


def card_error(intent: ApiObject, failed: ApiObject, decline: Decline) -> ApiObject:
    """The body of a 402: the bank's reason with the intent attached."""
    return {
        "error": {
            **payment_error(decline),
            "charge": failed["id"],
            "payment_intent": intent,
        }
    }
