"""Flash sales in the back office. Importing the modules registers them."""

from shop.flash_sales.admin import sale, ticket

__all__ = ["sale", "ticket"]
