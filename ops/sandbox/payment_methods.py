"""What each payment-method token does. The table for people is in docs/payments.md."""

from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """How the sandbox misbehaves for one idempotency key. 'Moves' means money."""

    SLOW = "answers after SANDBOX_SLOW_SECONDS"
    HANG_BEFORE = "hangs the first time and moves nothing"
    HANG_AFTER = "moves, keeps the answer, then hangs the first time"
    RATE_LIMITED = "429 the first two times, nothing kept"
    ERROR_BEFORE = "500 the first time, before anything moves, not kept"
    ERROR_AFTER = "moves, then says 500 the first time"
    ERROR_KEPT = "500 before anything moves, and kept: the same 500 for ever"
    DROP_AFTER = "moves, then closes the connection the first time"


@dataclass(frozen=True, slots=True)
class Decline:
    """A refusal by the bank. ``message`` is what the API says, not what a shop should show."""

    code: str
    decline_code: str
    message: str


class RefundFate(Enum):
    """What becomes of the refunds of a card."""

    MOVES = "moves at once"
    REFUSED = "refused, and the refusal is kept"
    PENDING = "accepted as pending, moves after SANDBOX_SLOW_SECONDS"
    FAILS = "accepted as pending, fails after SANDBOX_SLOW_SECONDS"


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """A token and its behaviour.

    ``fault`` is that of taking its money, ``refund_fault`` and ``void_fault`` those of giving it
    back and of cancelling. With ``wants_authentication``, ``decline`` comes after the shopper has
    said that it is them.
    """

    token: str
    brand: str
    last4: str
    decline: Decline | None = None
    fault: Fault | None = None
    wants_authentication: bool = False
    refund_fate: RefundFate = RefundFate.MOVES
    refund_fault: Fault | None = None
    void_fault: Fault | None = None


_GENERIC = Decline("card_declined", "generic_decline", "Your card was declined.")
_FUNDS = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
_EXPIRED = Decline("expired_card", "expired_card", "Your card has expired.")
_CVC = Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
AUTHENTICATION_FAILED = Decline(
    "payment_intent_authentication_failure",
    "",
    "The provided payment method has failed authentication.",
)
_PROCESSING = Decline(
    "processing_error", "processing_error", "An error occurred while processing your card."
)


def _declining(name: str, last4: str, decline: Decline) -> tuple[PaymentMethod, ...]:
    # Stripe names some with the brand and some without; both spellings work here.
    return tuple(
        PaymentMethod(f"pm_card_{brand}{name}", "visa", last4, decline=decline)
        for brand in ("", "visa_")
    )


def _refunding(
    name: str, last4: str, fate: RefundFate = RefundFate.MOVES, *, fault: Fault | None = None
) -> PaymentMethod:
    """Pays like any other; it is the way back that is special."""
    return PaymentMethod(
        f"pm_sandbox_refund_{name}", "sandbox", last4, refund_fate=fate, refund_fault=fault
    )


_ALL = (
    PaymentMethod("pm_card_visa", "visa", "4242"),
    PaymentMethod("pm_card_mastercard", "mastercard", "4444"),
    *_declining("chargeDeclined", "0002", _GENERIC),
    *_declining("chargeDeclinedInsufficientFunds", "9995", _FUNDS),
    *_declining("chargeDeclinedExpiredCard", "0069", _EXPIRED),
    *_declining("chargeDeclinedIncorrectCvc", "0127", _CVC),
    *_declining("chargeDeclinedProcessingError", "0119", _PROCESSING),
    PaymentMethod("pm_card_authenticationRequired", "visa", "3184", wants_authentication=True),
    PaymentMethod(
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        "visa",
        "3178",
        wants_authentication=True,
        decline=_FUNDS,
    ),
    PaymentMethod("pm_sandbox_slow", "sandbox", "0012", fault=Fault.SLOW),
    PaymentMethod("pm_sandbox_timeout_before", "sandbox", "0020", fault=Fault.HANG_BEFORE),
    PaymentMethod("pm_sandbox_timeout_after", "sandbox", "0038", fault=Fault.HANG_AFTER),
    PaymentMethod("pm_sandbox_rate_limited", "sandbox", "0046", fault=Fault.RATE_LIMITED),
    PaymentMethod("pm_sandbox_error_500", "sandbox", "0053", fault=Fault.ERROR_BEFORE),
    PaymentMethod("pm_sandbox_error_500_after", "sandbox", "0061", fault=Fault.ERROR_AFTER),
    PaymentMethod("pm_sandbox_drop", "sandbox", "0079", fault=Fault.DROP_AFTER),
    PaymentMethod("pm_sandbox_error_500_kept", "sandbox", "0087", fault=Fault.ERROR_KEPT),
    _refunding("timeout_before", "0095", fault=Fault.HANG_BEFORE),
    _refunding("timeout_after", "0103", fault=Fault.HANG_AFTER),
    _refunding("error_500_after", "0111", fault=Fault.ERROR_AFTER),
    _refunding("refused", "0129", RefundFate.REFUSED),
    _refunding("pending", "0137", RefundFate.PENDING),
    _refunding("fails", "0145", RefundFate.FAILS),
    PaymentMethod(
        "pm_sandbox_void_timeout",
        "sandbox",
        "0152",
        wants_authentication=True,
        void_fault=Fault.HANG_AFTER,
    ),
)
PAYMENT_METHODS = {one.token: one for one in _ALL}
