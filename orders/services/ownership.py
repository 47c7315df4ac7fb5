"""Whose account lists an order: set once, and never taken from another account."""

from django.db import transaction

from orders.models import Order
from orders.selectors import guest_orders
from orders.services.timeline import SHOPPER, record_event

# A page waits for it; the button is there again for the rest.
MOST_AT_ONCE = 200


def claim_guest_orders(customer_id: int, confirmed_email: str) -> int:
    """Put the guest orders of this address into the user's account; how many it were.

    The caller vouches for it that the user has opened this mailbox. Safe to repeat and side by
    side with itself; at most MOST_AT_ONCE at a time.
    """
    found = guest_orders(confirmed_email).values_list("pk", flat=True)[:MOST_AT_ONCE]
    return sum(_claim(order_id, customer_id) for order_id in list(found))


def _claim(order_id: int, customer_id: int) -> bool:
    with transaction.atomic():
        # Another account, or an erasure, may have been faster: then it is theirs, or nobody's.
        unowned = Order.objects.filter(pk=order_id, customer=None, erased_at=None)
        if not unowned.update(customer=customer_id):
            return False
        record_event(order_id, "claimed", "Added to the shopper's account.", actor=SHOPPER)
    return True
