"""The payment gateway behind circuit breakers, one for each of its operations.

One operation can be sick while another works: reading the books may time out while captures go
through. The breakers are shared by all workers, so the first few that meet a silent bank spare the
others the wait.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from orders.gateways.payment import (
    Captured,
    CaptureRequest,
    Declined,
    GatewayCapture,
    PaymentGateway,
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

    def capture(self, request: CaptureRequest) -> Captured | Declined:
        """See ``PaymentGateway.capture``."""
        with self._capture.call():
            return self._gateway.capture(request)

    def captures(self, *, since: datetime | None = None) -> Iterator[GatewayCapture]:
        """See ``PaymentGateway.captures``."""
        with self._lookup.call():
            yield from self._gateway.captures(since=since)
