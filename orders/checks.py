"""What Django must check before this shop may start."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

_LIVE_PREFIXES = ("sk_live_", "rk_live_", "pk_live_")


@register
def no_live_key(
    app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """A live key is refused: this shop's card form sends the number to our server, which is allowed
    for test numbers only."""
    if not settings.STRIPE_API_KEY.startswith(_LIVE_PREFIXES):
        return []
    return [
        Error(
            "STRIPE_API_KEY is a live key, and this shop's card form is for test cards only.",
            hint="Use a test key. Before real cards, their numbers must be turned into tokens "
            "in the shopper's browser (docs/payments.md).",
            id="orders.E001",
        )
    ]
