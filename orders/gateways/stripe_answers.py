"""What the provider's objects say, in the words of ``orders.gateways.payment``. Pure.

The SDK raises AttributeError for a field that an answer leaves out, although its types know it;
what the provider leaves out where it does not apply is read with ``getattr``.
"""

import stripe

from orders.gateways.payment import (
    ActionRequired,
    Captured,
    CaptureRequest,
    Declined,
    Found,
    Moved,
    Refunded,
    RefundPending,
    RefundRefused,
    Voided,
)

# The one among several intents of a payment that tells its fate: money first, then what may still
# move some.
_TELLING = ("succeeded", "processing", "requires_action", "requires_payment_method", "canceled")
NO_REFUND = ("failed", "canceled")


def attempted(intent: stripe.PaymentIntent) -> Found | None:
    """The fact that an intent stands for; None while it is neither paid, refused nor waiting."""
    match intent.status:
        case "succeeded":
            return captured(intent)
        case "requires_action":
            return ActionRequired(intent.id, _redirect_url(intent))
        case "requires_payment_method":
            return _refused(intent)
        case "canceled":
            return Voided(intent.id)
        case _:
            return None


def captured(intent: stripe.PaymentIntent) -> Captured:
    charge = intent.latest_charge
    details = charge.payment_method_details if isinstance(charge, stripe.Charge) else None
    card = details.card if details else None
    return Captured(
        reference=intent.id,
        amount_cents=intent.amount_received,
        currency=intent.currency.upper(),
        card_brand=(card.brand if card else None) or "",
        card_last4=(card.last4 if card else None) or "",
    )


def declined(error: stripe.CardError) -> Declined:
    details = error.error
    intent = details.payment_intent if details else None
    code = (details.decline_code if details else None) or error.code or ""
    return Declined(intent.id if intent else "", _decline_code(code))


def most_telling(intents: list[stripe.PaymentIntent]) -> stripe.PaymentIntent | None:
    """Of the intents that were made for one payment. Usually there is one."""
    return min(
        intents,
        key=lambda one: _TELLING.index(one.status) if one.status in _TELLING else 1,
        default=None,
    )


def is_for(intent: stripe.PaymentIntent, request: CaptureRequest) -> bool:
    """Whether this is the money that ``request`` asks for, under the same key."""
    ours = intent.metadata.to_dict()
    return (
        ours.get("idempotency_key") == request.idempotency_key
        and intent.amount == request.amount_cents
        and intent.currency.upper() == request.currency
    )


def refunded(refund: stripe.Refund) -> Moved:
    if refund.status == "succeeded":
        return Refunded(refund.id, refund.amount)
    if refund.status in NO_REFUND:
        code = getattr(refund, "failure_reason", None) or f"refund_{refund.status}"
        return RefundRefused(code, f"The refund {refund.id} is {refund.status}.", refund.id)
    return RefundPending(refund.id)


def counts_as_refund(refund: stripe.Refund) -> bool:
    """Whether it moved money, or will."""
    return refund.status not in NO_REFUND


def number(text: object) -> int | None:
    """One of our ids in metadata; None for what is none."""
    digits = str(text or "")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 19 else None


def _redirect_url(intent: stripe.PaymentIntent) -> str:
    """Empty when the bank wants a check that is no page to go to."""
    action = intent.next_action
    redirect = getattr(action, "redirect_to_url", None)
    return str(getattr(redirect, "url", None) or "")


def _refused(intent: stripe.PaymentIntent) -> Declined:
    error = intent.last_payment_error
    code = getattr(error, "decline_code", None) or getattr(error, "code", None) or ""
    return Declined(intent.id, _decline_code(code))


def _decline_code(code: str) -> str:
    return "card_declined" if code in ("", "generic_decline") else code
