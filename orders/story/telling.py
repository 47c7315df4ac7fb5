"""The whole story of an order, put together."""

from datetime import datetime

from orders.models import Order
from orders.services.cancellation import may_cancel
from orders.services.returns import may_return
from orders.story import after_sale
from orders.story.facts import Facts, look_at
from orders.story.history import history
from orders.story.pace import is_pending, look_again_seconds
from orders.story.parts import Offers, Story
from orders.story.steps import steps
from orders.story.words import headline, lead

_WEB = ("https://", "http://")


def tell(order: Order, now: datetime) -> Story:
    """Reads the relations that ``selectors.order_by_token`` prefetched; asks nothing more."""
    facts = look_at(order, now)
    return Story(
        headline=headline(facts),
        lead=lead(facts),
        steps=steps(facts),
        items=after_sale.items(facts),
        parcels=after_sale.parcels(facts),
        refunds=after_sale.refunds(facts),
        returns=after_sale.returns(facts),
        history=history(list(order.timeline.all())),
        offers=_offers(facts),
        refunded_cents=facts.money.refunded_cents,
        refunding_cents=facts.money.refunding_cents,
        pending=is_pending(facts),
        look_again_seconds=look_again_seconds(facts),
    )


def _offers(facts: Facts) -> Offers:
    order, url = facts.order, facts.payment.redirect_url
    waits = facts.waits_for_card or (facts.waits_for_bank_visit and facts.held)
    return Offers(
        card=facts.waits_for_card,
        bank_url=url if facts.waits_for_bank_visit and url.startswith(_WEB) else "",
        cancel=may_cancel(order),
        send_back=may_return(order),
        held_until=order.hold_expires_at if waits else None,
    )
