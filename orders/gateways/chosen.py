"""The payment gateway that the settings choose."""

import os
from functools import lru_cache
from typing import Any

from celery.signals import worker_init
from django.conf import settings

from orders import task_names
from orders.gateways.breaking import BreakingGateway
from orders.gateways.payment import PaymentGateway
from tasks.breaker import BreakerPolicy


def get_gateway() -> PaymentGateway:
    """The gateway of this process, from STRIPE_API_KEY, STRIPE_API_BASE,
    PAYMENT_TIMEOUT_SECONDS and PAYMENT_BREAKER_OPEN_SECONDS."""
    return _gateway(
        os.getpid(),
        settings.STRIPE_API_KEY,
        settings.STRIPE_API_BASE,
        settings.PAYMENT_TIMEOUT_SECONDS,
        settings.PAYMENT_BREAKER_OPEN_SECONDS,
    )


@lru_cache(maxsize=1)
def _gateway(
    _pid: int, api_key: str, api_base: str, timeout_seconds: float, open_seconds: float
) -> PaymentGateway:
    # The process id is part of the key: a connection inherited over fork would be shared by two
    # workers, and one could read the other's answer. The import waits until money is wanted,
    # because the SDK takes half a second to load and most processes never pay.
    from orders.gateways.stripe_errors import is_sick  # noqa: PLC0415
    from orders.gateways.stripe_gateway import StripeGateway  # noqa: PLC0415

    stripe = StripeGateway(api_key, api_base=api_base, timeout_seconds=timeout_seconds)
    # A probe may wait for an answer as long as any call, and some more for its worker.
    policy = BreakerPolicy(open_seconds=open_seconds, probe_seconds=timeout_seconds * 2 + 5)
    return BreakingGateway(stripe, sick=is_sick, policy=policy)


@worker_init.connect(dispatch_uid="orders.gateways")
def load_before_fork(sender: Any = None, **_: Any) -> None:
    """A worker that captures payments loads the SDK once, before its children are forked from it:
    otherwise the first capture of each child takes half a second longer, under its lease."""
    if settings.TASK_QUEUES[task_names.CAPTURE_PAYMENT] in sender.app.amqp.queues.consume_from:
        from orders.gateways import stripe_gateway  # noqa: F401, PLC0415
