"""Refunds: money back, never more than came."""

from dataclasses import dataclass

from ops.sandbox import objects
from ops.sandbox.answers import Answer, ApiError, invalid, missing
from ops.sandbox.expansion import expanded
from ops.sandbox.params import Params, Reader
from ops.sandbox.store import Movement, Store


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
        refund = objects.refund(charge, amount=amount, reason=self.reason, metadata=self.metadata)
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
        store.put(charge)
        store.put(refund)
        store.add_movement(
            Movement(
                kind="refund",
                amount_cents=amount,
                currency=charge["currency"],
                payment_intent=charge["payment_intent"],
                source=refund["id"],
                order_number=charge["metadata"].get("order_number", ""),
                payment_id=charge["metadata"].get("payment_id", ""),
                idempotency_key=idempotency_key,
            )
        )
        return Answer(200, expanded(store, refund, self.expand))

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
