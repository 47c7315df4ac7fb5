"""Cents as people read them."""

_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£"}


def format_cents(cents: int, currency: str) -> str:
    """``123450`` and ``EUR`` → ``€ 1,234.50``, with a blank that does not break a line."""
    sign = _SIGNS.get(currency, currency)
    return f"{sign}\N{NO-BREAK SPACE}{cents // 100:,}.{cents % 100:02d}"
