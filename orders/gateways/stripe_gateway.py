"""The payment gateway on the provider's own SDK. The same code reaches Stripe and the sandbox.

The SDK would resend by itself what failed; here it must not. Our retries are rows that staff can
see, and a resend hidden in a library would hide how often we asked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import requests
import stripe
from stripe.params import PaymentIntentListParams

from orders.gateways import stripe_answers as answers
from orders.gateways import stripe_books
from orders.gateways.payment import (
    ActionRequired,
    Attempted,
    Captured,
    CaptureRequest,
    Declined,
    Found,
    GatewayCapture,
    GatewayRefund,
    Moved,
    NotFound,
    RefundRequest,
    Voided,
)
from orders.gateways.stripe_errors import does_not_exist, refusal_of_refund, translated
from orders.gateways.stripe_requests import intent_params, refund_params
from tasks.errors import OutcomeUnknown, Transient

# Else every request carries how long the one before took, and a file appears in the home folder.
stripe.enable_telemetry = False

_AUTHENTICATION = "authentication_required"
_SETTLED = ("succeeded", "requires_payment_method", "canceled")
# Our clock and the provider's may differ when its books are searched from a moment of ours on.
_CLOCKS_DIFFER = timedelta(minutes=10)
_KEYS_LIVE = timedelta(hours=24)


class StripeGateway:
    """``orders.gateways.payment.PaymentGateway`` by PaymentIntents that are confirmed as created.

    ``api_base`` empty means Stripe itself. ``timeout_seconds`` bounds the connecting, and each
    silence while the answer is awaited.
    """

    def __init__(self, api_key: str, *, api_base: str, timeout_seconds: float) -> None:
        session = requests.Session()
        # A sandbox is a neighbour: a proxy or a .netrc meant for the outside is not for it.
        session.trust_env = not api_base
        self._client = client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base.rstrip("/")} if api_base else {},
            http_client=stripe.RequestsClient(timeout=timeout_seconds, session=session),
            max_network_retries=0,
        )
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds

    def capture(self, request: CaptureRequest) -> Attempted:
        """See ``PaymentGateway.capture``."""
        with _moving():
            try:
                intent = self._intents.create(
                    intent_params(request), {"idempotency_key": request.idempotency_key}
                )
            except stripe.CardError as error:
                return answers.declined(error)
            except stripe.IdempotencyError:
                found = self._asked_differently(request)
                if found is None:
                    raise
                intent = found
            if intent.status != "succeeded":
                # The answer kept for a key is as old as the key. The shopper may have been at
                # their bank since, and the money may have moved.
                intent = self._retrieve(intent.id)
        match answers.attempted(intent):
            case ActionRequired(reference, redirect_url="") as check:
                return self._give_up(check, f"{request.idempotency_key}:cancel")
            case Captured() | Declined() | ActionRequired() as known:
                return known
            case Voided(reference):
                return Declined(reference, "canceled")
        raise OutcomeUnknown(f"Payment {intent.id} is {intent.status}: neither paid nor refused.")

    def look_up(self, *, payment_id: int, reference: str, since: datetime) -> Found:
        """See ``PaymentGateway.look_up``."""
        with _reading():
            intent = self._find(payment_id, reference, since)
        if intent is None:
            return NotFound()
        found = answers.attempted(intent)
        if found is None:
            raise Transient(f"Payment {intent.id} is {intent.status}: neither paid nor refused.")
        return found

    def void(self, reference: str, idempotency_key: str) -> Voided | Captured | Declined:
        """See ``PaymentGateway.void``."""
        with _moving():
            # Looked at first: the answer kept for the key may be an error that came after the act.
            intent = self._retrieve(reference)
            if intent.status not in _SETTLED:
                intent = self._cancel(reference, idempotency_key)
        match answers.attempted(intent):
            case Captured() | Declined() | Voided() as settled:
                return settled
        raise OutcomeUnknown(f"Payment {reference} is {intent.status} and cannot be cancelled now.")

    def refund(self, request: RefundRequest) -> Moved:
        """See ``PaymentGateway.refund``."""
        with _moving():
            try:
                refund = self._refunds.create(
                    refund_params(request), {"idempotency_key": request.idempotency_key}
                )
            except (stripe.CardError, stripe.InvalidRequestError) as error:
                if refused := refusal_of_refund(error):
                    return refused
                raise
        return answers.refunded(refund)

    def look_up_refund(
        self, *, refund_id: int, reference: str, payment_reference: str
    ) -> Moved | NotFound:
        """See ``PaymentGateway.look_up_refund``."""
        with _reading():
            refund = self._find_refund(refund_id, reference, payment_reference)
        return answers.refunded(refund) if refund else NotFound()

    def captures(self, *, since: datetime | None = None) -> Iterator[GatewayCapture]:
        """See ``PaymentGateway.captures``."""
        with _reading():
            yield from stripe_books.captures(self._client, since)

    def refunds(self, *, since: datetime | None = None) -> Iterator[GatewayRefund]:
        """See ``PaymentGateway.refunds``."""
        with _reading():
            yield from stripe_books.refunds(self._client, since)

    def _asked_differently(self, request: CaptureRequest) -> stripe.PaymentIntent | None:
        """What an earlier release, or a shop under another address, asked for under this key: the
        same money for the same payment, and only the rest of the request has changed since."""
        intent = self._find(request.payment_id, "", datetime.now(UTC) - _KEYS_LIVE)
        if intent is None or not answers.is_for(intent, request):
            return None
        return intent

    def _retrieve(self, reference: str) -> stripe.PaymentIntent:
        return self._intents.retrieve(reference, {"expand": ["latest_charge"]})

    def _intents_since(self, since: datetime | None) -> Iterator[stripe.PaymentIntent]:
        params: PaymentIntentListParams = {
            "limit": stripe_books.PAGE_SIZE,
            "expand": ["data.latest_charge"],
        }
        if since is not None:
            params["created"] = {"gte": int(since.timestamp())}
        return self._intents.list(params).auto_paging_iter()

    def _find(
        self, payment_id: int, reference: str, since: datetime
    ) -> stripe.PaymentIntent | None:
        if not reference:
            ours = str(payment_id)
            return answers.most_telling(
                [
                    intent
                    for intent in self._intents_since(since - _CLOCKS_DIFFER)
                    if intent.metadata.to_dict().get("payment_id") == ours
                ]
            )
        try:
            return self._retrieve(reference)
        except stripe.InvalidRequestError as error:
            if does_not_exist(error):
                return None
            raise

    def _find_refund(
        self, refund_id: int, reference: str, payment_reference: str
    ) -> stripe.Refund | None:
        try:
            if reference:
                return self._refunds.retrieve(reference)
            of_payment = self._refunds.list(
                {"limit": stripe_books.PAGE_SIZE, "payment_intent": payment_reference}
            ).auto_paging_iter()
            ours = [one for one in of_payment if _refund_id(one) == refund_id]
        except stripe.InvalidRequestError as error:
            if does_not_exist(error):
                return None
            raise
        return next(filter(answers.counts_as_refund, ours), ours[0] if ours else None)

    def _cancel(self, reference: str, idempotency_key: str) -> stripe.PaymentIntent:
        try:
            return self._intents.cancel(
                reference,
                {"cancellation_reason": "abandoned", "expand": ["latest_charge"]},
                {"idempotency_key": idempotency_key},
            )
        except stripe.InvalidRequestError as error:
            if error.code != "payment_intent_unexpected_state":
                raise
        # The shopper or another worker was faster than we: what is it now?
        return self._retrieve(reference)

    def _give_up(self, check: ActionRequired, idempotency_key: str) -> Captured | Declined:
        """Close an intent whose check this shop cannot show, so that no late confirmation can take
        the money of an order that was told 'declined'."""
        match self.void(check.reference, idempotency_key):
            case Voided(reference):
                return Declined(reference, _AUTHENTICATION)
            case known:
                return known


@contextmanager
def _moving() -> Iterator[None]:
    """Errors of a request that may have moved money. ``is_sick`` looks at what they came from."""
    try:
        yield
    except stripe.StripeError as error:
        raise translated(error) from error


@contextmanager
def _reading() -> Iterator[None]:
    """Reading moves nothing, so an answer that never came leaves nothing unknown."""
    try:
        yield
    except stripe.StripeError as error:
        fact = translated(error)
        raise (Transient(str(fact)) if isinstance(fact, OutcomeUnknown) else fact) from error


def _refund_id(refund: stripe.Refund) -> int | None:
    return answers.number(refund.metadata.to_dict().get("refund_id")) if refund.metadata else None
