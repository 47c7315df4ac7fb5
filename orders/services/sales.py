"""The sales table, kept from the event stream: ``manage.py consume_events --group sales``."""

from django.db.models import F
from django.utils.timezone import get_default_timezone

from orders.models import SalesDay
from tasks.errors import Permanent
from tasks.events.envelope import Event


def record_sale(event: Event) -> None:
    """Count a paid order; other events are not its business.

    Runs in the transaction that keeps the event's receipt, so each order is counted once however
    often its event arrives. Raises Permanent for a version that this code does not know.
    """
    if event.type != "order.paid":
        return
    if event.version != 1:
        raise Permanent(f"order.paid v{event.version} is not known here. Deploy, then redrive.")
    day = event.occurred_at.astimezone(get_default_timezone()).date()
    # Sorted, so that two consumers never wait for each other.
    for line in sorted(event.data["lines"], key=lambda line: str(line["sku"])):
        row, _ = SalesDay.objects.get_or_create(
            day=day, sku=line["sku"], currency=event.data["currency"]
        )
        SalesDay.objects.filter(pk=row.pk).update(
            orders=F("orders") + 1,
            units=F("units") + line["quantity"],
            amount_cents=F("amount_cents") + line["quantity"] * line["unit_price_cents"],
        )
