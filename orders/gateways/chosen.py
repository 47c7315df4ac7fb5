"""The payment gateway that the settings choose."""

import os
from functools import lru_cache

from django.conf import settings

from orders.gateways.payment import PaymentGateway


def get_gateway() -> PaymentGateway:
    """The gateway of this process, from STRIPE_API_KEY, STRIPE_API_BASE and
    PAYMENT_TIMEOUT_SECONDS."""
    return _gateway(
        os.getpid(),
        settings.STRIPE_API_KEY,
        settings.STRIPE_API_BASE,
        settings.PAYMENT_TIMEOUT_SECONDS,
    )


@lru_cache(maxsize=1)
def _gateway(_pid: int, api_key: str, api_base: str, timeout_seconds: float) -> PaymentGateway:
    # The process id is part of the key: a connection inherited over fork would be shared by two
    # workers, and one could read the other's answer. The import waits until money is wanted,
    # because the SDK takes half a second to load and most processes never pay.
    from orders.gateways.stripe_gateway import StripeGateway  # noqa: PLC0415

    return StripeGateway(api_key, api_base=api_base, timeout_seconds=timeout_seconds)
