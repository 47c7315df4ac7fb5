"""The order desk and its lists, as staff see them. Importing the modules registers them."""

from orders.admin import mail, order, parcel, payment, refund, sales, stock

__all__ = ["mail", "order", "parcel", "payment", "refund", "sales", "stock"]
