"""From paid to packed: the units leave the shelf, once."""

import structlog
from django.db import transaction
from django.db.models.functions import Now

from orders import events, metrics
from orders.locks import claim_order, fenced_update
from orders.models import Notification, Order
from orders.services import stock
from orders.services.notification import announce
from orders.services.timeline import WORKER, record_event
from orders.states import FulfilmentStatus, OrderStatus
from tasks.locks.held import HeldLease

log = structlog.get_logger(__name__)


def deduct_inventory(order_id: int, lease: HeldLease) -> None:
    """Deduct a paid order's units and owe its shopper the confirmation, in one transaction.

    A second run finds the order packed and does nothing. Raises LeaseLost, Permanent.
    """
    claim_order(order_id, lease.token)
    with transaction.atomic():
        packed = fenced_update(
            order_id,
            lease.token,
            where={"status": OrderStatus.PAID, "fulfilment": FulfilmentStatus.UNFULFILLED},
            fulfilment=FulfilmentStatus.PACKED,
            packed_at=Now(),
        )
        if not packed:
            return
        record_event(order_id, "packed", "Packed from stock.", actor=WORKER)
        order = Order.objects.get(pk=order_id)
        announce(order, Notification.Kind.ORDER_CONFIRMED)
        events.stock_deducted(order)
        stock.deduct_holds(order_id)
        metrics.order_packed()
    log.info("order_packed")
