"""What an error of the provider's SDK means for the money, as a table of facts."""

import ssl
from http import HTTPStatus

import requests
import stripe
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from orders.gateways.payment import RefundRefused
from tasks.errors import OutcomeUnknown, Permanent, TaskError, Transient

_REFUSED_UNSEEN = (
    stripe.AuthenticationError,
    stripe.PermissionError,
    stripe.InvalidRequestError,
    stripe.IdempotencyError,
)


def translated(error: stripe.StripeError) -> TaskError:
    """The class of tasks.errors for anything but a CardError, which is an answer and no error.

    What is not known to be harmless counts as unknown: asking once more with the same key costs a
    request, and a wrong 'nothing happened' costs somebody the price of an order.
    """
    if isinstance(error, stripe.APIConnectionError):
        cause = type(error.__cause__ or error).__name__
        if nothing_was_sent(error):
            return Transient(f"The payment provider cannot be reached ({cause}).")
        return OutcomeUnknown(f"The payment provider gave no whole answer ({cause}).")
    said = f"{type(error).__name__} from the payment provider: {_short(error)}"
    if isinstance(error, stripe.RateLimitError):
        return Transient(said)
    if isinstance(error, _REFUSED_UNSEEN):
        return Permanent(said)
    # A 5xx, a 409 (the key is in use), an answer that is no JSON.
    return OutcomeUnknown(said)


def does_not_exist(error: stripe.InvalidRequestError) -> bool:
    """Whether the provider's books have no object under the name that we gave."""
    return error.code == "resource_missing"


def refusal_of_refund(error: stripe.CardError | stripe.InvalidRequestError) -> RefundRefused | None:
    """The provider's no to giving money back (already refunded, disputed, too much), which is an
    answer. None when it is our request or our account that is wrong: that is for a person."""
    if isinstance(error, stripe.InvalidRequestError) and (
        does_not_exist(error) or error.http_status != HTTPStatus.BAD_REQUEST
    ):
        return None
    return RefundRefused(error.code or "refund_refused", _short(error))


def is_sick(error: Exception) -> bool | None:
    """Whether an error of the gateway shows that the provider itself is in trouble: no connection,
    no answer in time, a 5xx, too many requests. False for a refusal, which only a healthy provider
    gives; None when the error is not the provider's."""
    cause = error.__cause__
    if not isinstance(cause, stripe.StripeError):
        return None
    if isinstance(cause, stripe.APIConnectionError | stripe.RateLimitError):
        return True
    # What is not a 4xx is a 5xx, or an answer that nobody can read.
    return cause.http_status is None or not 400 <= cause.http_status < 500


def nothing_was_sent(error: stripe.APIConnectionError) -> bool:
    """Whether the request certainly never left: no connection came about, or its certificate was
    refused before the first byte of the request."""
    cause = error.__cause__
    if isinstance(cause, requests.ConnectTimeout):
        return True
    reason = cause.args[0] if isinstance(cause, requests.ConnectionError) and cause.args else None
    if not isinstance(reason, MaxRetryError):
        return False
    if isinstance(reason.reason, NewConnectionError | ConnectTimeoutError):
        return True
    first = reason.reason.args[0] if reason.reason and reason.reason.args else None
    return isinstance(first, ssl.SSLCertVerificationError)


def _short(error: stripe.StripeError) -> str:
    """The provider's words on one line, with its request id; no body and no headers."""
    words = " ".join((error.user_message or "no message").split())[:300]
    return f"{words} [{error.request_id}]" if error.request_id else words
