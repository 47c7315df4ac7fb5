"""The cart and the checkout's idempotency key in the visitor's session.

The session is only ever modified, never cycled or deleted: twenty submits of one form save it at
the same time, and a deleted session would turn the slower ones into errors.
"""

from uuid import UUID, uuid4

from django.contrib.sessions.backends.base import SessionBase

from shop.cart import Entry

CART = "cart"
CHECKOUT_KEY = "checkout_key"


def entries(session: SessionBase) -> dict[str, Entry]:
    """SKU → entry, in the order in which things were put into the cart."""
    return {sku: Entry(*kept) for sku, kept in session.get(CART, {}).items()}


def save_entries(session: SessionBase, wanted: dict[str, Entry]) -> None:
    session[CART] = {sku: [entry.quantity, entry.seen_price_cents] for sku, entry in wanted.items()}


def units(session: SessionBase) -> int:
    return sum(entry.quantity for entry in entries(session).values())


def checkout_key(session: SessionBase) -> UUID | None:
    """The idempotency key of this cart's order, if a checkout page was drawn for it."""
    kept = session.get(CHECKOUT_KEY)
    return UUID(kept) if kept else None


def draw_checkout_key(session: SessionBase) -> UUID:
    """A new key for this cart. Reloads and other tabs of the same cart get it too."""
    key = uuid4()
    session[CHECKOUT_KEY] = str(key)
    return key


def finish(session: SessionBase, key: UUID) -> None:
    """Empty the cart that became the order of `key`. A cart begun since then is left alone."""
    if checkout_key(session) == key:
        session.pop(CART, None)
        session.pop(CHECKOUT_KEY, None)
