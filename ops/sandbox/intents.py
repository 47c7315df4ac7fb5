"""Creating and cancelling PaymentIntents."""

import time
from dataclasses import dataclass

from ops.sandbox import capturing, objects
from ops.sandbox.answers import Answer, invalid, missing, server_error
from ops.sandbox.expansion import expanded
from ops.sandbox.params import Params, Reader
from ops.sandbox.payment_methods import PAYMENT_METHODS, Fault, PaymentMethod
from ops.sandbox.store import Store

_CANCELLABLE = {"requires_payment_method", "requires_confirmation", "requires_action"}
_WITHOUT_EFFECT = (
    "allowed_payment_method_types",
    "automatic_payment_methods",
    "capture_method",
    "confirmation_method",
    "error_on_requires_action",
    "off_session",
    "receipt_email",
    "statement_descriptor_suffix",
)


@dataclass(frozen=True, slots=True)
class CreateIntent:
    """POST /v1/payment_intents with confirm=true: authorise and capture in one step.

    ``check_pages`` is the address under which the shopper finds the bank's own check. Without a
    ``return_url`` they could not come back from it, and no page is offered.
    """

    check_pages: str
    amount: int
    currency: str
    method: PaymentMethod
    description: str | None
    metadata: dict[str, str]
    return_url: str
    expand: tuple[str, ...]

    @classmethod
    def parse(cls, params: Params, check_pages: str) -> "CreateIntent":
        """Raises ApiError for whatever Stripe would refuse before it begins."""
        if "payment_method_types" in params:
            raise invalid(
                "payment_method_types is no longer supported. Use allowed_payment_method_types.",
                param="payment_method_types",
                code="payment_method_types_no_longer_supported",
            )
        reader = Reader(params)
        command = cls(
            check_pages=check_pages,
            amount=reader.integer("amount"),
            currency=_currency(reader.text("currency")),
            method=_payment_method(reader.text("payment_method")),
            description=reader.text("description", "") or None,
            metadata=reader.texts("metadata"),
            return_url=_return_url(reader.text("return_url", "")),
            expand=tuple(reader.texts("expand").values()),
        )
        if not reader.flag("confirm"):
            raise invalid("This sandbox only takes confirm=true.", param="confirm")
        reader.ignore(*_WITHOUT_EFFECT)
        reader.done()
        return command

    def run(self, store: Store, idempotency_key: str | None) -> Answer:
        """Inside a transaction: move the money, or record why not."""
        if self.method.fault is Fault.ERROR_KEPT:
            raise server_error()
        intent = objects.payment_intent(
            amount=self.amount,
            currency=self.currency,
            payment_method=self.method.token,
            description=self.description,
            metadata=self.metadata,
        )
        if self.method.wants_authentication:
            self._challenge(store, intent, idempotency_key)
        elif self.method.decline:
            failed = capturing.decline(store, intent, self.method, self.method.decline)
            return Answer(402, objects.card_error(intent, failed, self.method.decline))
        else:
            capturing.capture(store, intent, self.method, idempotency_key)
        return Answer(200, expanded(store, intent, self.expand))

    def fault(self, _store: Store) -> Fault | None:
        return self.method.fault

    def _challenge(
        self, store: Store, intent: objects.ApiObject, idempotency_key: str | None
    ) -> None:
        intent |= {"status": "requires_action", "next_action": {"type": "use_stripe_sdk"}}
        if self.return_url:
            page = {
                "url": f"{self.check_pages}/{intent['id']}",
                "return_url": self.return_url,
            }
            intent["next_action"] = {"type": "redirect_to_url", "redirect_to_url": page}
        store.put(intent)
        store.add_challenge(intent["id"], idempotency_key, self.return_url)


@dataclass(frozen=True, slots=True)
class CancelIntent:
    """POST /v1/payment_intents/{id}/cancel: no money can move afterwards."""

    intent_id: str
    reason: str | None
    expand: tuple[str, ...]

    @classmethod
    def parse(cls, intent_id: str, params: Params) -> "CancelIntent":
        reader = Reader(params)
        reason = reader.text("cancellation_reason", "") or None
        expand = tuple(reader.texts("expand").values())
        reader.done()
        return cls(intent_id, reason, expand)

    def run(self, store: Store, _idempotency_key: str | None) -> Answer:
        intent = store.get("payment_intent", self.intent_id)
        if intent is None:
            raise missing("payment_intent", self.intent_id, param="intent", status=404)
        if intent["status"] not in _CANCELLABLE:
            raise invalid(
                f"You cannot cancel this PaymentIntent because it is {intent['status']}.",
                code="payment_intent_unexpected_state",
            )
        intent |= {
            "status": "canceled",
            "canceled_at": int(time.time()),
            "cancellation_reason": self.reason,
            "next_action": None,
        }
        store.put(intent)
        store.announce("payment_intent.canceled", intent)
        return Answer(200, expanded(store, intent, self.expand))

    def fault(self, store: Store) -> Fault | None:
        intent = store.get("payment_intent", self.intent_id) or {}
        method = PAYMENT_METHODS.get(intent.get("payment_method") or "")
        return method.void_fault if method else None


def _currency(code: str) -> str:
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise invalid(f"Invalid currency: {code[:10]}", param="currency")
    return code.lower()


def _return_url(url: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        raise invalid("Not a valid URL.", param="return_url", code="url_invalid")
    return url


def _payment_method(token: str) -> PaymentMethod:
    if token not in PAYMENT_METHODS:
        raise missing("PaymentMethod", token[:80], param="payment_method")
    return PAYMENT_METHODS[token]
