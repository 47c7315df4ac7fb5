"""The shop's own address, as lines."""

from collections.abc import Sequence

from django.conf import settings


def shop_address() -> Sequence[str]:
    """The lines of settings.SHOP_ADDRESS, the name first; a comma ends a line."""
    return [line.strip() for line in settings.SHOP_ADDRESS.split(",") if line.strip()]
