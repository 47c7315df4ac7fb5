"""Parcels: some or all units of a packed order leave, and arrive."""

from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from orders import events, metrics
from orders.carriers import CARRIERS
from orders.errors import NotShippable
from orders.locked import honest_about_locks
from orders.locks import lock_order
from orders.models import Notification, Order, OrderLine, Shipment, ShipmentLine
from orders.services.lines import LineQuantity, choose
from orders.services.notification import announce
from orders.services.timeline import record_event
from orders.states import SHIPPABLE, OrderStatus, ShipmentStatus, fulfilment_after

log = structlog.get_logger(__name__)


def ship_lines(
    order_id: int,
    *,
    form_key: UUID,
    actor: str,
    lines: tuple[LineQuantity, ...] = (),
    carrier: str = "",
    tracking_code: str = "",
) -> Shipment:
    """Send these units (none named: all that is left) as one parcel, and tell the shopper.

    ``form_key`` is drawn with the form: sent twice, it is one parcel. ``carrier`` is a key of
    ``orders.carriers.CARRIERS`` or empty. Raises NotShippable, Busy.
    """
    if carrier and carrier not in CARRIERS:
        raise NotShippable(
            f"{carrier} is not a carrier that is known here. Choose one of the list."
        )
    try:
        with honest_about_locks(), transaction.atomic():
            order = lock_order(order_id)
            existing = Shipment.objects.filter(form_key=form_key, order=order).first()
            return existing or _ship(order, form_key, actor, lines, carrier, tracking_code.strip())
    except IntegrityError as error:
        if Shipment.objects.filter(form_key=form_key).exists():
            raise NotShippable(
                "This form was used for another order already. Load the page again."
            ) from error
        raise


def _ship(
    order: Order,
    form_key: UUID,
    actor: str,
    wanted: tuple[LineQuantity, ...],
    carrier: str,
    tracking_code: str,
) -> Shipment:
    if order.status != OrderStatus.PAID or order.fulfilment not in SHIPPABLE:
        raise NotShippable(
            f"Order {order.number} is {order.get_status_display()} and "
            f"{order.get_fulfilment_display()}: nothing of it can be shipped."
        )
    units = choose(
        order.lines.all(),
        wanted,
        limit=lambda line: line.to_ship,
        refusal=NotShippable,
        to_be="shipped",
    )
    shipment = Shipment.objects.create(
        order=order,
        form_key=form_key,
        carrier=carrier,
        tracking_code=tracking_code[:80],
        actor=actor,
    )
    ShipmentLine.objects.bulk_create(
        ShipmentLine(shipment=shipment, line=line, quantity=quantity)
        for line, quantity in units.items()
    )
    for line, quantity in units.items():
        OrderLine.objects.filter(pk=line.pk).update(shipped=F("shipped") + quantity)
    _follow_parcels(order)
    contents = ", ".join(f"{quantity} × {line.title}" for line, quantity in units.items())
    record_event(order.pk, "shipped", f"Parcel {shipment.pk}: {contents}"[:300], actor=actor)
    announce(order, Notification.Kind.ORDER_SHIPPED, cause=f"shipment:{shipment.pk}")
    events.shipment_shipped(shipment)
    metrics.parcel("shipped")
    log.info("parcel_shipped", order=order.subject, shipment=shipment.pk)
    return shipment


def mark_delivered(shipment_id: int, *, actor: str) -> None:
    """The parcel arrived. A second time does nothing. Raises Shipment.DoesNotExist, Busy."""
    order_id = Shipment.objects.values_list("order_id", flat=True).get(pk=shipment_id)
    with honest_about_locks(), transaction.atomic():
        order = lock_order(order_id)
        arrived = Shipment.objects.filter(pk=shipment_id, status=ShipmentStatus.SHIPPED)
        if not arrived.update(status=ShipmentStatus.DELIVERED, delivered_at=Now()):
            return
        _follow_parcels(order)
        record_event(order.pk, "delivered", f"Parcel {shipment_id} arrived.", actor=actor)
        announce(order, Notification.Kind.ORDER_DELIVERED, cause=f"shipment:{shipment_id}")
        events.shipment_delivered(Shipment.objects.get(pk=shipment_id))
        metrics.parcel("delivered")


def _follow_parcels(order: Order) -> None:
    under_way = order.shipments.filter(status=ShipmentStatus.SHIPPED).count()
    after = fulfilment_after(
        (line.line_units for line in order.lines.all()), undelivered_shipments=under_way
    )
    Order.objects.filter(pk=order.pk).update(fulfilment=after, changed_at=Now())
