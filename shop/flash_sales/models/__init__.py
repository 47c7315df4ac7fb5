"""The tables of flash sales. Constraints live here; rules live beside them in the package."""

from shop.flash_sales.models.event import SaleEvent
from shop.flash_sales.models.rehearsal import Rehearsal
from shop.flash_sales.models.sale import FlashSale, SaleItem
from shop.flash_sales.models.sample import SaleSample
from shop.flash_sales.models.ticket import SaleIdentity, Ticket

__all__ = [
    "FlashSale",
    "Rehearsal",
    "SaleEvent",
    "SaleIdentity",
    "SaleItem",
    "SaleSample",
    "Ticket",
]
