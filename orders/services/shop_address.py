"""The shop's own address, as lines."""

from collections.abc import Sequence

from django.conf import settings


def shop_address() -> Sequence[str]:
    """The lines of settings.SHOP_ADDRESS, the name first; a comma or a line break ends a line."""
    lines = settings.SHOP_ADDRESS.replace("\n", ",").split(",")
    return [line.strip() for line in lines if line.strip()]
