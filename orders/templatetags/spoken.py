"""Money, days and countries in papers, and numbers that are not broken over two lines."""

from datetime import datetime

from django import template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

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


@register.filter
def unbroken(text: str, number: str) -> SafeString:
    """The text with ``number`` kept on one line wherever it stands. Both are escaped."""
    kept = f'<span style="white-space:nowrap">{conditional_escape(number)}</span>'
    escaped = str(conditional_escape(text))
    return mark_safe(escaped.replace(str(conditional_escape(number)), kept))  # noqa: S308 - both are escaped
