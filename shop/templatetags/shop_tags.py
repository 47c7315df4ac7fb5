"""Template filters of the shop."""

from django import template

from shop.money import display_price

register = template.Library()


@register.filter
def money(cents: int) -> str:
    """Cents → '€ 48.00'."""
    return display_price(cents)
