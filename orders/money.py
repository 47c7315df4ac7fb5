"""Cents as people read them."""

from decimal import Decimal

from babel.numbers import format_currency

_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£"}


def format_cents(cents: int, currency: str, language: str = "en") -> str:
    """``123450`` and ``EUR`` → ``€ 1,234.50``, or ``1.234,50 €`` for ``de``; with a blank that does
    not break a line."""
    if language == "en":
        sign = _SIGNS.get(currency, currency)
        return f"{sign}\N{NO-BREAK SPACE}{cents // 100:,}.{cents % 100:02d}"
    return format_currency(Decimal(cents).scaleb(-2), currency, locale=language)
