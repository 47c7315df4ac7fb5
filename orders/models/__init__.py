"""The tables that decide. Constraints live here; rules live in ``orders.services``."""

from orders.models.notification import Notification
from orders.models.order import Order, OrderLine, TimelineEvent
from orders.models.payment import Payment
from orders.models.sales import SalesDay
from orders.models.stock import StockHold, StockItem, StockMovement

__all__ = [
    "Notification",
    "Order",
    "OrderLine",
    "Payment",
    "SalesDay",
    "StockHold",
    "StockItem",
    "StockMovement",
    "TimelineEvent",
]
