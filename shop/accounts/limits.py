"""How often something may be tried: per address and per client, counted in the cache.

A cache that is away or was emptied counts nothing: the shop then stays open without these limits.
What must hold in any case (one mail per cause) is a constraint of the database.
"""

from dataclasses import dataclass

import structlog
from django.core.cache import cache
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from orders.emails import key_of
from shop.accounts.client import client_of
from shop.accounts.errors import TooMany

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``per_address`` and ``per_client`` tries within ``seconds`` of the first one."""

    name: str
    per_address: int
    per_client: int
    seconds: int


SIGN_IN = Limit("sign_in", per_address=10, per_client=60, seconds=15 * 60)
MAILS = Limit("mails", per_address=6, per_client=30, seconds=3_600)
PASSWORD = Limit("password", per_address=10, per_client=60, seconds=15 * 60)


def count_try(limit: Limit, request: HttpRequest, email: str) -> None:
    """Count this try. Raises TooMany; known and unknown addresses are counted alike."""
    client = client_of(request)
    tries = [_hit(_key(limit, "address", key_of(email)), limit.seconds) <= limit.per_address]
    if client is not None:
        tries.append(_hit(_key(limit, "client", client), limit.seconds) <= limit.per_client)
    if not all(tries):
        log.warning("tried_too_often", limit=limit.name)
        raise TooMany(limit.seconds)


def forgive(limit: Limit, email: str) -> None:
    """The right person was at it: earlier tries for this address do not count any more."""
    cache.delete(_key(limit, "address", key_of(email)))


def _hit(key: str, seconds: int) -> int:
    """How often so far; 0 when the cache is away."""
    cache.add(key, 0, seconds)
    try:
        return int(cache.incr(key) or 0)
    except (ValueError, TypeError):
        # Away, or thrown out between the two calls.
        return 0


def _key(limit: Limit, what: str, who: str) -> str:
    # The cache is no place for addresses.
    return f"limit:{limit.name}:{what}:{salted_hmac('shop.accounts.limits', who).hexdigest()}"
