"""The order desk and its lists, as staff see them. Importing the modules registers them."""

from orders.admin import exports, mail, order, parcel, payment, refund, sales, stock, webhooks

__all__ = [
    "exports",
    "mail",
    "order",
    "parcel",
    "payment",
    "refund",
    "sales",
    "stock",
    "webhooks",
]
