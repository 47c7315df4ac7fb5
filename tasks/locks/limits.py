"""The numbers of the protocol, and what is refused before any node is asked."""

import logging
import re
from collections.abc import Sequence
from functools import lru_cache

from tasks.locks.node import label

logger = logging.getLogger(__name__)

CLOCK_ALLOWANCE_SECONDS = 2.0
"""How far clocks may be apart, and what a restarted node waits on top of the largest TTL."""
RETENTION_SECONDS = 3_600.0
"""How long a key's counter outlives its last use."""
PROPOSAL_LEAD_SECONDS = 60.0
"""A node refuses proposals further ahead of its clock: one bad clock must not spoil all tokens."""
_SCHEMES = ("redis://", "rediss://", "unix://")
LONGEST_PATIENCE_SECONDS = 2.0
"""A place in a waiting list is good for so long, or a quarter of the TTL; then it is taken anew."""
LONGEST_HOLDER = 300
"""Characters of a holder's description that are kept."""
DRIFT_RATIO = 0.01
DRIFT_SECONDS = 0.002
LONGEST_KEY_BYTES = 200
SHORTEST_TTL_SECONDS = 0.01


def drift(ttl: float) -> float:
    """Seconds taken off a lease of ``ttl`` seconds, for clocks that run at different speeds and for
    Redis's resolution of a millisecond."""
    return DRIFT_RATIO * ttl + DRIFT_SECONDS


def check_urls(urls: Sequence[str]) -> None:
    """Raises ValueError for an empty list and for a server named twice."""
    if not urls:
        raise ValueError("There is no lock node. Name at least one Redis server, better three.")
    for url in urls:
        if not url.startswith(_SCHEMES):
            # Not shown: it may hold a password.
            raise ValueError(
                "Each of LOCK_REDIS_URLS must begin with redis://, rediss:// or unix://."
            )
    places = [label(url) for url in urls]
    twice = sorted({place for place in places if places.count(place) > 1})
    if twice:
        raise ValueError(
            f"{', '.join(twice)} is listed twice. Lock nodes must be different servers."
        )
    if len(urls) % 2 == 0:
        logger.warning(
            "%d lock nodes survive no more losses than %d would: use an odd number",
            len(urls),
            len(urls) - 1,
        )


def check_prefix(prefix: str) -> None:
    """Raises ValueError."""
    if not re.fullmatch(r"[\w.:/-]+", prefix):
        raise ValueError(
            f"LOCK_KEY_PREFIX {prefix!r} is no prefix: use letters, digits and . : / - _ only."
        )


@lru_cache
def check_key(key: str) -> None:
    """Raises ValueError."""
    if not key or not key.isprintable() or any(c in "{} " for c in key):
        raise ValueError(f"{key!r} is no key: use visible characters without blanks and braces.")
    if len(key.encode()) > LONGEST_KEY_BYTES:
        raise ValueError(
            f"The key {key[:40]!r}… is longer than {LONGEST_KEY_BYTES} bytes. Use an id or a hash."
        )


def check_ttl(ttl: float, max_ttl: float) -> None:
    """Raises ValueError. Both in seconds."""
    if not SHORTEST_TTL_SECONDS <= ttl <= max_ttl:
        raise ValueError(
            f"ttl={ttl} must lie between {SHORTEST_TTL_SECONDS} s (clock drift) and "
            f"{max_ttl:g} s (LOCK_TTL_SECONDS, which a restarted node waits out)."
        )
