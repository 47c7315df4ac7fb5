"""Events as the provider would send them, and their signature."""

import hashlib
import hmac
import json
import time
import uuid
from typing import Any

from orders.models import Payment, Refund


def event(
    kind: str,
    *,
    payment: Payment | None = None,
    refund: Refund | None = None,
    reference: str = "",
    **about: Any,
) -> dict[str, Any]:
    """An event about one of our payments or refunds; ``reference`` is the provider's name for it.
    ``about`` changes its object."""
    body: dict[str, Any] = {"metadata": {}}
    if payment is not None:
        reference = reference or payment.gateway_reference or "pi_new"
        body |= {"id": reference, "object": "payment_intent", "status": kind.rpartition(".")[2]}
        body["metadata"] = {
            "payment_id": str(payment.pk),
            "order_number": payment.order.number,
        }
    if refund is not None:
        body |= {
            "id": reference or refund.gateway_reference or "re_new",
            "object": "refund",
            "payment_intent": refund.payment.gateway_reference,
            "status": "failed" if kind == "refund.failed" else "succeeded",
        }
        body["metadata"] = {"refund_id": str(refund.pk), "order_number": refund.order.number}
    return {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "type": kind,
        "created": int(time.time()),
        "data": {"object": body | about},
    }


def signed(body: bytes, secret: str, *, seconds_ago: float = 0) -> str:
    """The header, written out here: the test must not believe the code that it tests."""
    then = int(time.time() - seconds_ago)
    seal = hmac.new(secret.encode(), f"{then}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={then},v1={seal}"


def raw(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload).encode()
