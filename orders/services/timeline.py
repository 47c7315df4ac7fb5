"""Writing the timeline: in the transaction of what it tells."""

from orders.models import TimelineEvent

SHOPPER = "shopper"
WORKER = "worker"
SWEEPER = "sweeper"


def record_event(order_id: int, kind: str, text: str, *, actor: str) -> None:
    TimelineEvent.objects.create(order_id=order_id, kind=kind, text=text[:300], actor=actor)
