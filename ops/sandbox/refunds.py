"""Refunds: money back, never more than came; at once, later, or not after all."""

from dataclasses import dataclass

from ops.sandbox import objects
from ops.sandbox.answers import Answer, ApiError, invalid, missing
from ops.sandbox.expansion import expanded
from ops.sandbox.params import Params, Reader
from ops.sandbox.payment_methods import PAYMENT_METHODS, Fault, PaymentMethod, RefundFate
from ops.sandbox.store import Movement, Store
from ops.sandbox.waiting_rows import PendingRefund

_OUTCOMES = {RefundFate.PENDING: "succeeded", RefundFate.FAILS: "failed"}
_EVENTS = {"succeeded": "refund.updated", "failed": "refund.failed"}


@dataclass(frozen=True, slots=True)
class CreateRefund:
    """POST /v1/refunds for a PaymentIntent or a charge; without an amount, all that is left."""

    payment_intent: str
    charge: str
    amount: int | None
    reason: str | None
    metadata: dict[str, str]
    expand: tuple[str, ...]

    @classmethod
    def parse(cls, params: Params) -> "CreateRefund":
        """Raises ApiError for whatever Stripe would refuse before it begins."""
        reader = Reader(params)
        command = cls(
            payment_intent=reader.text("payment_intent", ""),
            charge=reader.text("charge", ""),
            amount=reader.integer("amount") if "amount" in params else None,
            reason=reader.text("reason", "") or None,
            metadata=reader.texts("metadata"),
            expand=tuple(reader.texts("expand").values()),
        )
        reader.done()
        if bool(command.payment_intent) == bool(command.charge):
            raise invalid("Give one of these params: charge, payment_intent.")
        return command

    def run(self, store: Store, idempotency_key: str | None) -> Answer:
        """Inside a transaction: what is left is read and taken under the same lock."""
        charge = self._find_charge(store)
        left = charge["amount_captured"] - charge["amount_refunded"]
        amount = left if self.amount is None else self.amount
        if left == 0:
            raise self._already(charge)
        if amount > left:
            raise invalid(
                f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).",
                param="amount",
            )
        method = _method_of(charge)
        if method.refund_fate is RefundFate.REFUSED:
            raise invalid(
                "This charge is disputed, so it cannot be refunded.", code="charge_disputed"
            )
        waits = method.refund_fate in _OUTCOMES
        refund = objects.refund(
            charge,
            amount=amount,
            reason=self.reason,
            metadata=self.metadata,
            status="pending" if waits else "succeeded",
        )
        # What is pending is set aside at once, so that nobody can give it back twice.
        _give_back(store, charge, amount)
        store.put(refund)
        store.announce("refund.created", refund)
        if waits:
            outcome = _OUTCOMES[method.refund_fate]
            store.add_pending_refund(PendingRefund(refund["id"], outcome, idempotency_key))
        else:
            _move(store, refund, charge, idempotency_key)
        return Answer(200, expanded(store, refund, self.expand))

    def fault(self, store: Store) -> Fault | None:
        try:
            return _method_of(self._find_charge(store)).refund_fault
        except ApiError:
            return None  # its run says so, and keeps the answer

    def _find_charge(self, store: Store) -> objects.ApiObject:
        charge_id = self.charge
        if self.payment_intent:
            intent = store.get("payment_intent", self.payment_intent)
            if intent is None:
                raise missing("payment_intent", self.payment_intent, param="payment_intent")
            charge_id = intent["latest_charge"] or ""
        charge = store.get("charge", charge_id)
        if charge is None and self.charge:
            raise missing("charge", self.charge, param="charge")
        if charge is None or not charge["captured"]:
            raise invalid("Nothing was captured here, so nothing can be refunded.")
        return charge

    @staticmethod
    def _already(charge: objects.ApiObject) -> ApiError:
        return invalid(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )


def settle_pending(store: Store, pending: PendingRefund) -> None:
    """The end of a refund that was accepted: the money moves, or stays after all."""
    with store.transaction():
        refund = store.get("refund", pending.refund)
        charge = store.get("charge", refund["charge"]) if refund else None
        if refund is None or charge is None:
            raise LookupError(f"The pending refund {pending.refund} has lost its objects.")
        refund["status"] = pending.outcome
        if pending.outcome == "succeeded":
            _move(store, refund, charge, pending.idempotency_key)
        else:
            refund["failure_reason"] = "expired_or_canceled_card"
            _give_back(store, charge, -refund["amount"])
        store.put(refund)
        store.remove_pending_refund(pending.refund)
        store.announce(_EVENTS[pending.outcome], refund)


def _method_of(charge: objects.ApiObject) -> PaymentMethod:
    return PAYMENT_METHODS[charge["payment_method"]]


def _give_back(store: Store, charge: objects.ApiObject, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    store.put(charge)


def _move(
    store: Store, refund: objects.ApiObject, charge: objects.ApiObject, idempotency_key: str | None
) -> None:
    store.add_movement(
        Movement(
            kind="refund",
            amount_cents=refund["amount"],
            currency=charge["currency"],
            payment_intent=charge["payment_intent"],
            source=refund["id"],
            order_number=charge["metadata"].get("order_number", ""),
            payment_id=charge["metadata"].get("payment_id", ""),
            idempotency_key=idempotency_key,
        )
    )
