"""Money in mails and in the admin."""

from django import template

from orders.money import format_cents

register = template.Library()


@register.filter
def order_money(cents: int, currency: str) -> str:
    return format_cents(cents, currency)
