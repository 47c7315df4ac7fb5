"""Where the money of an intent moves, or does not. Everything here is inside a transaction."""

from ops.sandbox import objects
from ops.sandbox.payment_methods import Decline, PaymentMethod
from ops.sandbox.store import Movement, Store


def capture(
    store: Store, intent: objects.ApiObject, method: PaymentMethod, idempotency_key: str | None
) -> None:
    """Take the whole amount; the key is the one under which the shop asked for it."""
    charge = objects.charge(intent, method, None)
    intent |= {
        "status": "succeeded",
        "amount_received": intent["amount"],
        "latest_charge": charge["id"],
        "next_action": None,
    }
    store.put(charge)
    store.put(intent)
    store.add_movement(
        Movement(
            kind="capture",
            amount_cents=intent["amount"],
            currency=intent["currency"],
            payment_intent=intent["id"],
            source=charge["id"],
            order_number=intent["metadata"].get("order_number", ""),
            payment_id=intent["metadata"].get("payment_id", ""),
            idempotency_key=idempotency_key,
        )
    )
    store.announce("payment_intent.succeeded", intent)


def decline(
    store: Store, intent: objects.ApiObject, method: PaymentMethod, reason: Decline
) -> objects.ApiObject:
    """Write down why not; the failed charge."""
    failed = objects.charge(intent, method, reason)
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "latest_charge": failed["id"],
        "last_payment_error": objects.payment_error(reason),
        "next_action": None,
    }
    store.put(failed)
    store.put(intent)
    store.announce("payment_intent.payment_failed", intent)
    return failed
