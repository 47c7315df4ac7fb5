"""Orders, payments, mails and stock, as staff see them. Importing the modules registers them."""

from orders.admin import mail, order, payment, sales, stock

__all__ = ["mail", "order", "payment", "sales", "stock"]
