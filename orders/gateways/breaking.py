"""The payment gateway behind circuit breakers, one for each of its operations.

One operation can be sick while another works: reading the books may time out while captures go
through. The breakers are shared by all workers, so the first few that meet a silent bank spare the
others the wait.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from orders.gateways.payment import (
    Attempted,
    Captured,
    CaptureRequest,
    Declined,
    Found,
    GatewayCapture,
    GatewayRefund,
    Moved,
    NotFound,
    PaymentGateway,
    RefundRequest,
    Voided,
)
from tasks.breaker import BreakerPolicy
from tasks.breaker_store import Breaker


class BreakingGateway:
    """``orders.gateways.payment.PaymentGateway`` around another one. ``sick``: see ``Breaker``."""

    def __init__(
        self,
        gateway: PaymentGateway,
        *,
        sick: Callable[[Exception], bool | None],
        policy: BreakerPolicy,
    ) -> None:
        self._gateway = gateway
        self._capture = Breaker("payment.capture", sick=sick, policy=policy)
        self._lookup = Breaker("payment.lookup", sick=sick, policy=policy)
        self._refund = Breaker("payment.refund", sick=sick, policy=policy)
        self._void = Breaker("payment.void", sick=sick, policy=policy)

    def capture(self, request: CaptureRequest) -> Attempted:
        """See ``PaymentGateway.capture``."""
        with self._capture.call():
            return self._gateway.capture(request)

    def look_up(self, *, payment_id: int, reference: str, since: datetime) -> Found:
        """See ``PaymentGateway.look_up``."""
        with self._lookup.call():
            return self._gateway.look_up(payment_id=payment_id, reference=reference, since=since)

    def void(self, reference: str, idempotency_key: str) -> Voided | Captured | Declined:
        """See ``PaymentGateway.void``."""
        with self._void.call():
            return self._gateway.void(reference, idempotency_key)

    def refund(self, request: RefundRequest) -> Moved:
        """See ``PaymentGateway.refund``."""
        with self._refund.call():
            return self._gateway.refund(request)

    def look_up_refund(
        self, *, refund_id: int, reference: str, payment_reference: str
    ) -> Moved | NotFound:
        """See ``PaymentGateway.look_up_refund``."""
        with self._lookup.call():
            return self._gateway.look_up_refund(
                refund_id=refund_id, reference=reference, payment_reference=payment_reference
            )

    def captures(self, *, since: datetime | None = None) -> Iterator[GatewayCapture]:
        """See ``PaymentGateway.captures``."""
        with self._lookup.call():
            yield from self._gateway.captures(since=since)

    def refunds(self, *, since: datetime | None = None) -> Iterator[GatewayRefund]:
        """See ``PaymentGateway.refunds``."""
        with self._lookup.call():
            yield from self._gateway.refunds(since=since)
