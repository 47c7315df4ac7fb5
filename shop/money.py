"""Prices in words; one currency per shop."""

from django.conf import settings

from orders.money import format_cents


def display_price(cents: int) -> str:
    """``4800`` → ``€ 48.00``."""
    return format_cents(cents, settings.CURRENCY)
