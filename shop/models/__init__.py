"""The tables of the shop: what is on the shelves, and who has an account."""

from shop.models.account import Account, AccountMail, SavedAddress
from shop.models.catalogue import Category, Product, Variant

__all__ = ["Account", "AccountMail", "Category", "Product", "SavedAddress", "Variant"]
