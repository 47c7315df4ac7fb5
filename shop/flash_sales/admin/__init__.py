"""Flash sales in the back office. Importing the modules registers them."""

from shop.flash_sales.admin import rehearsal, sale, ticket

__all__ = ["rehearsal", "sale", "ticket"]
