"""Writing the timeline: in the transaction of what it tells."""

from django.contrib.auth.models import AbstractBaseUser

from orders.models import TimelineEvent

SHOPPER = "shopper"
WORKER = "worker"
SWEEPER = "sweeper"
PROVIDER = "payment provider"


def staff_actor(user: AbstractBaseUser) -> str:
    """How a member of the staff is named as the one who did something."""
    return f"staff {user.get_username()}"[:150]


def record_event(order_id: int, kind: str, text: str, *, actor: str) -> None:
    TimelineEvent.objects.create(order_id=order_id, kind=kind, text=text[:300], actor=actor)
