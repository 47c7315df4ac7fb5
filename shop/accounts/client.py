"""Who asks, as far as limits are concerned."""

from functools import lru_cache
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def client_of(request: HttpRequest) -> str | None:
    """The client's address, its network for IPv6; None when it cannot be told.

    With PROXY_COUNT proxies before us, each has appended the address that it saw to
    X-Forwarded-For: the client's is the PROXY_COUNT-th from the right, and what stands left of it
    anybody may have written. A loopback address is a proxy that nobody told us about: counting it
    would be one limit for all shoppers.
    """
    seen = str(request.META.get("REMOTE_ADDR", ""))
    if settings.PROXY_COUNT:
        chain = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).split(",")
        if len(chain) < settings.PROXY_COUNT:
            return None
        seen = chain[-settings.PROXY_COUNT].strip()
    return _counted_as(seen)


@lru_cache(maxsize=10_000)
def _counted_as(seen: str) -> str | None:
    """Asked for every click of a crowd."""
    try:
        address = ip_address(seen)
    except ValueError:
        return None
    if address.is_loopback:
        return None
    # Whoever has one address of IPv6 has the whole network.
    return str(ip_network((address, 64), strict=False)) if address.version == 6 else str(address)
