"""Other systems that listen to our events: what is owed to each, written with its cause.

The delivery is ``orders.services.webhooks_out``; this part runs inside the transition.
"""

from typing import Any

from django.utils import timezone

from orders import task_names
from orders.models import Order, WebhookDelivery, WebhookEndpoint
from tasks.events import schemas
from tasks.outbox import enqueue

VERSION = 1


def listening(event_type: str) -> list[WebhookEndpoint]:
    """Active endpoints that want events of this type."""
    active = WebhookEndpoint.objects.filter(is_active=True)
    return [endpoint for endpoint in active if endpoint.wants(event_type)]


def owe(
    endpoints: list[WebhookEndpoint],
    event_type: str,
    order: Order,
    data: dict[str, Any],
    *,
    cause: str,
) -> None:
    """Owe each endpoint the event, in the caller's transaction. The same cause twice is owed once.

    Raises UnknownEvent, BadEvent: what breaks its schema is told to nobody.
    """
    if not endpoints:
        return
    schemas.check(event_type, VERSION, data)
    payload = {
        "type": event_type,
        "version": VERSION,
        "timestamp": timezone.now().isoformat(),
        "data": data,
    }
    for endpoint in endpoints:
        # Two of the same cause cannot both be: the second finds the first one's row and adds none.
        delivery, is_new = WebhookDelivery.objects.get_or_create(
            endpoint=endpoint,
            cause=cause,
            defaults={"order": order, "type": event_type, "payload": payload},
        )
        if is_new:
            enqueue_delivery(delivery)


def enqueue_delivery(delivery: WebhookDelivery) -> None:
    enqueue(
        task_names.DELIVER_WEBHOOK,
        {"delivery_id": delivery.pk},
        subject=delivery.subject,
    )
