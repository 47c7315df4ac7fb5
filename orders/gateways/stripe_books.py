"""The provider's books, page by page, as plain JSON.

An audit reads ten thousand entries and three fields of each. The SDK would build some twenty
objects of its own for every entry, which takes ten times as long as everything else.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import stripe

from orders.gateways.payment import GatewayCapture, GatewayRefund
from orders.gateways.stripe_answers import NO_REFUND, number

PAGE_SIZE = 100  # the most that a list takes


def captures(client: stripe.StripeClient, since: datetime | None) -> Iterator[GatewayCapture]:
    """Newest first. Raises StripeError."""
    for intent in _entries(client, "payment_intents", since, expand=["data.latest_charge"]):
        if intent["status"] == "succeeded":
            yield _capture(intent)


def refunds(client: stripe.StripeClient, since: datetime | None) -> Iterator[GatewayRefund]:
    """Those that moved money or will, newest first. Raises StripeError."""
    for refund in _entries(client, "refunds", since):
        if refund["status"] not in NO_REFUND:
            yield _refund(refund)


def _entries(
    client: stripe.StripeClient, name: str, since: datetime | None, **wanted: Any
) -> Iterator[dict[str, Any]]:
    params: dict[str, Any] = {"limit": PAGE_SIZE, **wanted}
    if since is not None:
        params["created"] = {"gte": int(since.timestamp())}
    while True:
        page: dict[str, Any] = client.raw_request("get", f"/v1/{name}", **params).data
        yield from page["data"]
        if not page["has_more"] or not page["data"]:
            return
        params["starting_after"] = page["data"][-1]["id"]


def _capture(intent: dict[str, Any]) -> GatewayCapture:
    charge = intent.get("latest_charge")
    moved: int = charge["created"] if isinstance(charge, dict) else intent["created"]
    ours = intent.get("metadata") or {}
    return GatewayCapture(
        reference=intent["id"],
        order_number=str(ours.get("order_number", "")),
        payment_id=number(ours.get("payment_id")),
        idempotency_key=str(ours.get("idempotency_key", "")),
        amount_cents=intent["amount_received"],
        currency=intent["currency"].upper(),
        captured_at=datetime.fromtimestamp(moved, UTC),
    )


def _refund(refund: dict[str, Any]) -> GatewayRefund:
    ours = refund.get("metadata") or {}
    return GatewayRefund(
        reference=refund["id"],
        payment_reference=refund.get("payment_intent") or "",
        order_number=str(ours.get("order_number", "")),
        payment_id=number(ours.get("payment_id")),
        refund_id=number(ours.get("refund_id")),
        idempotency_key=str(ours.get("idempotency_key", "")),
        amount_cents=refund["amount"],
        currency=refund["currency"].upper(),
        status="succeeded" if refund["status"] == "succeeded" else "pending",
        refunded_at=datetime.fromtimestamp(refund["created"], UTC),
    )
