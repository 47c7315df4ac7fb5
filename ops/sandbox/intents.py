"""Creating and cancelling PaymentIntents."""

import time
from dataclasses import dataclass

from ops.sandbox import objects
from ops.sandbox.answers import Answer, invalid, missing, server_error
from ops.sandbox.expansion import expanded
from ops.sandbox.params import Params, Reader
from ops.sandbox.payment_methods import PAYMENT_METHODS, Decline, Fault, PaymentMethod
from ops.sandbox.store import Movement, Store

_CANCELLABLE = {"requires_payment_method", "requires_confirmation", "requires_action"}
_WITHOUT_EFFECT = (
    "automatic_payment_methods",
    "capture_method",
    "confirmation_method",
    "error_on_requires_action",
    "off_session",
    "payment_method_types",
    "receipt_email",
    "statement_descriptor_suffix",
)


@dataclass(frozen=True, slots=True)
class CreateIntent:
    """POST /v1/payment_intents with confirm=true: authorise and capture in one step."""

    amount: int
    currency: str
    method: PaymentMethod
    description: str | None
    metadata: dict[str, str]
    expand: tuple[str, ...]

    @classmethod
    def parse(cls, params: Params) -> "CreateIntent":
        """Raises ApiError for whatever Stripe would refuse before it begins."""
        reader = Reader(params)
        command = cls(
            amount=reader.integer("amount"),
            currency=_currency(reader.text("currency")),
            method=_payment_method(reader.text("payment_method")),
            description=reader.text("description", "") or None,
            metadata=reader.texts("metadata"),
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
        if self.method.decline:
            return self._declined(store, intent, self.method.decline)
        if self.method.wants_authentication:
            intent |= {"status": "requires_action", "next_action": {"type": "use_stripe_sdk"}}
        else:
            self._move(store, intent, idempotency_key)
        store.put(intent)
        return Answer(200, expanded(store, intent, self.expand))

    def _move(self, store: Store, intent: objects.ApiObject, idempotency_key: str | None) -> None:
        charge = objects.charge(intent, self.method, None)
        intent |= {
            "status": "succeeded",
            "amount_received": self.amount,
            "latest_charge": charge["id"],
        }
        store.put(charge)
        store.add_movement(
            Movement(
                kind="capture",
                amount_cents=self.amount,
                currency=self.currency,
                payment_intent=intent["id"],
                source=charge["id"],
                order_number=self.metadata.get("order_number", ""),
                payment_id=self.metadata.get("payment_id", ""),
                idempotency_key=idempotency_key,
            )
        )

    def _declined(self, store: Store, intent: objects.ApiObject, decline: Decline) -> Answer:
        failed = objects.charge(intent, self.method, decline)
        intent |= {
            "status": "requires_payment_method",
            "payment_method": None,
            "latest_charge": failed["id"],
            "last_payment_error": {
                "type": "card_error",
                "code": decline.code,
                "decline_code": decline.decline_code,
                "message": decline.message,
            },
        }
        store.put(failed)
        store.put(intent)
        return Answer(402, objects.card_error(intent, failed, decline))


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
        return Answer(200, expanded(store, intent, self.expand))


def _currency(code: str) -> str:
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise invalid(f"Invalid currency: {code[:10]}", param="currency")
    return code.lower()


def _payment_method(token: str) -> PaymentMethod:
    if token not in PAYMENT_METHODS:
        raise missing("PaymentMethod", token[:80], param="payment_method")
    return PAYMENT_METHODS[token]
