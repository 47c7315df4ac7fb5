"""Money, days and countries in papers."""

from datetime import datetime

from django import template

from orders import languages

register = template.Library()


@register.filter
def spoken_money(cents: int, currency: str) -> str:
    """In the language that is active."""
    return languages.money(cents, currency)


@register.filter
def spoken_day(at: datetime) -> str:
    return languages.day(at)


@register.filter
def country_name(code: str) -> str:
    return languages.country_name(code)
