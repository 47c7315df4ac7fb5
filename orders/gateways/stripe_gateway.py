"""The payment gateway on the provider's own SDK. The same code reaches Stripe and the sandbox.

The SDK would resend by itself what failed; here it must not. Our retries are rows that staff can
see, and a resend hidden in a library would hide how often we asked.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import requests
import stripe
from stripe.params import PaymentIntentCreateParams, PaymentIntentListParams

from orders.gateways.payment import Captured, CaptureRequest, Declined, GatewayCapture
from orders.gateways.stripe_errors import translated
from tasks.errors import OutcomeUnknown, Transient

# Else every request carries how long the one before took, and a file appears in the home folder.
stripe.enable_telemetry = False

_PAGE_SIZE = 100  # the most that the list takes
_AUTHENTICATION = "authentication_required"


class StripeGateway:
    """``orders.gateways.payment.PaymentGateway`` by PaymentIntents that are confirmed as created.

    ``api_base`` empty means Stripe itself. ``timeout_seconds`` bounds the connecting, and each
    silence while the answer is awaited.
    """

    def __init__(self, api_key: str, *, api_base: str, timeout_seconds: float) -> None:
        session = requests.Session()
        # A sandbox is a neighbour: a proxy or a .netrc meant for the outside is not for it.
        session.trust_env = not api_base
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base.rstrip("/")} if api_base else {},
            http_client=stripe.RequestsClient(timeout=timeout_seconds, session=session),
            max_network_retries=0,
        )

    def capture(self, request: CaptureRequest) -> Captured | Declined:
        """See ``PaymentGateway.capture``."""
        try:
            intent = self._client.v1.payment_intents.create(
                _create_params(request), {"idempotency_key": request.idempotency_key}
            )
        except stripe.CardError as error:
            return _declined(error)
        except stripe.StripeError as error:
            raise translated(error) from error
        if intent.status == "succeeded":
            return _captured(intent)
        if intent.status in ("requires_action", "requires_payment_method"):
            return self._give_up(intent, request.idempotency_key)
        raise OutcomeUnknown(f"Payment {intent.id} is {intent.status}: neither paid nor refused.")

    def captures(self, *, since: datetime | None = None) -> Iterator[GatewayCapture]:
        """See ``PaymentGateway.captures``."""
        params: PaymentIntentListParams = {"limit": _PAGE_SIZE, "expand": ["data.latest_charge"]}
        if since is not None:
            params["created"] = {"gte": int(since.timestamp())}
        try:
            for intent in self._client.v1.payment_intents.list(params).auto_paging_iter():
                if intent.status == "succeeded":
                    yield _in_books(intent)
        except stripe.StripeError as error:
            fact = translated(error)
            # Reading moves nothing, so an answer that never came leaves nothing unknown.
            raise (Transient(str(fact)) if isinstance(fact, OutcomeUnknown) else fact) from error

    def _give_up(self, intent: stripe.PaymentIntent, idempotency_key: str) -> Declined:
        """Close an intent that waits for the shopper, so that no late confirmation can take the
        money of an order that was told 'declined'."""
        try:
            self._client.v1.payment_intents.cancel(
                intent.id,
                {"cancellation_reason": "abandoned"},
                {"idempotency_key": f"{idempotency_key}:cancel"},
            )
        except stripe.StripeError as error:
            raise translated(error) from error
        return Declined(intent.id, _AUTHENTICATION)


def _create_params(request: CaptureRequest) -> PaymentIntentCreateParams:
    return {
        "amount": request.amount_cents,
        "currency": request.currency.lower(),
        "payment_method": request.payment_method,
        "confirm": True,
        # Cards only, in one step: a method that sends the shopper elsewhere has no page here.
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "description": request.description,
        "metadata": {
            "order_number": request.order_number,
            "payment_id": str(request.payment_id),
            "idempotency_key": request.idempotency_key,
        },
        "expand": ["latest_charge"],
    }


def _captured(intent: stripe.PaymentIntent) -> Captured:
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


def _declined(error: stripe.CardError) -> Declined:
    details = error.error
    intent = details.payment_intent if details else None
    code = (details.decline_code if details else None) or error.code or "card_declined"
    return Declined(
        reference=intent.id if intent else "",
        code="card_declined" if code == "generic_decline" else code,
    )


def _in_books(intent: stripe.PaymentIntent) -> GatewayCapture:
    charge = intent.latest_charge
    moved = charge.created if isinstance(charge, stripe.Charge) else intent.created
    ours = intent.metadata.to_dict()
    payment_id = str(ours.get("payment_id", ""))
    return GatewayCapture(
        reference=intent.id,
        order_number=str(ours.get("order_number", "")),
        payment_id=int(payment_id) if payment_id.isdecimal() else None,
        idempotency_key=str(ours.get("idempotency_key", "")),
        amount_cents=intent.amount_received,
        currency=intent.currency.upper(),
        captured_at=datetime.fromtimestamp(moved, UTC),
    )
