"""The tables that decide. Constraints live here; rules live in ``orders.services``."""

from orders.models.export_schedule import ExportSchedule
from orders.models.invoice import Invoice
from orders.models.notification import Notification
from orders.models.order import Order, OrderLine, TimelineEvent
from orders.models.payment import Payment
from orders.models.refund import Refund, RefundLine
from orders.models.returns import Return, ReturnLine
from orders.models.sales import SalesDay
from orders.models.set_aside import SetAside
from orders.models.shipment import Shipment, ShipmentLine
from orders.models.staff_mail import StaffMail
from orders.models.stock import StockHold, StockItem, StockMovement
from orders.models.webhook import WebhookEvent
from orders.models.webhook_out import WebhookDelivery, WebhookEndpoint

__all__ = [
    "ExportSchedule",
    "Invoice",
    "Notification",
    "Order",
    "OrderLine",
    "Payment",
    "Refund",
    "RefundLine",
    "Return",
    "ReturnLine",
    "SalesDay",
    "SetAside",
    "Shipment",
    "ShipmentLine",
    "StaffMail",
    "StockHold",
    "StockItem",
    "StockMovement",
    "TimelineEvent",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
]
