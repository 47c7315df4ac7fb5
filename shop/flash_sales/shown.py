"""Sales as their pages show them: read once a second by each process, however many come.

Times, prices and words are as good as a second old; units, limits and whose turn it is are never
taken from here.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import redis

from shop.cart import Offer
from shop.flash_sales.models import FlashSale, SaleItem
from shop.flash_sales.published import LIFE_SECONDS, Facts, facts_of, published_facts, read_facts

KEPT_SECONDS = 1.0
# Anybody can ask for any address: without a bound that would fill the memory.
_MOST_SALES = 200


@dataclass(frozen=True, slots=True)
class ShownSale:
    """``items`` by their number; each has this very ``sale``. ``offers``: SKU → what the catalogue
    has of it; a SKU that is sold only here is missing. ``read_at`` is ``time.time()``."""

    sale: FlashSale
    items: Mapping[int, SaleItem]
    offers: Mapping[str, Offer]
    read_at: float
    _drawn: dict[str, bytes] = field(default_factory=dict)

    def drawn(self, name: str, draw: Callable[[], str]) -> bytes:
        """What ``draw`` makes, which must depend on this sale and ``name`` only. Drawn once."""
        page = self._drawn.get(name)
        if page is None:
            page = self._drawn[name] = draw().encode()
        return page

    @property
    def starts_ms(self) -> int:
        return int(self.sale.starts_at.timestamp() * 1_000)

    @property
    def ends_ms(self) -> int:
        return int(self.sale.ends_at.timestamp() * 1_000)


# A dict's single reads and writes are atomic among threads; a lost one costs one more reading.
_kept: dict[str, tuple[float, ShownSale | None]] = {}


def shown_sale(slug: str) -> ShownSale | None:
    """None when there is no such sale, or it is still a draft."""
    kept = _kept.get(slug)
    if kept is not None and time.monotonic() < kept[0]:
        return kept[1]
    if kept is not None:
        # One reads anew; the others have what is a moment older meanwhile.
        _kept[slug] = time.monotonic() + KEPT_SECONDS, kept[1]
    found = _read(slug, kept[1] if kept else None)
    if len(_kept) >= _MOST_SALES:
        _kept.clear()
    _kept[slug] = time.monotonic() + KEPT_SECONDS, found
    return found


def forget_all() -> None:
    """The next request reads anew."""
    _kept.clear()


def _read(slug: str, last: ShownSale | None) -> ShownSale | None:
    try:
        facts = published_facts(slug)
    except redis.RedisError:
        # One answer that came too late must not send a crowd to the database.
        if last is not None and time.time() - last.read_at < LIFE_SECONDS:
            return last
        facts = None
    facts = facts or read_facts(slug)
    return _shown(facts) if facts else None


def read_shown(sale: FlashSale) -> ShownSale:
    """As its pages show it, a draft too. Two queries, and nothing is kept."""
    return _shown(facts_of(sale))


def _shown(facts: Facts) -> ShownSale:
    return ShownSale(facts.sale, facts.items, facts.offers, time.time())
