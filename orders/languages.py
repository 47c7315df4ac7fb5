"""The shopper's language: for mails and papers, which are written where no browser asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from babel import Locale
from django.conf import settings
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import pgettext

from orders.money import format_cents


def spoken(language: str) -> str:
    """The one of settings.LANGUAGES that is meant; the shop's own for one it does not speak."""
    try:
        return translation.get_supported_language_variant(language)
    except LookupError:
        return settings.LANGUAGE_CODE


@contextmanager
def speaking(language: str) -> Iterator[str]:
    """Texts, dates and money are in this language until the end of the block."""
    chosen = spoken(language)
    with translation.override(chosen):
        yield chosen


def money(cents: int, currency: str) -> str:
    return format_cents(cents, currency, _now_spoken())


def country_name(code: str) -> str:
    """``DE`` → ``Germany`` or ``Deutschland``; the code itself when nobody knows it."""
    return Locale.parse(_now_spoken()).territories.get(code) or code


def moment(at: datetime) -> str:
    """Day and time, with the time zone's name."""
    # Translators: Django's date format. German: j. F Y, H:i \U\h\r e
    return date_format(timezone.localtime(at), pgettext("date format", "j F Y, H:i e"))


def day(at: datetime) -> str:
    # Translators: Django's date format. German: j. F Y
    return date_format(timezone.localtime(at), pgettext("date format", "j F Y"))


def _now_spoken() -> str:
    return spoken(translation.get_language() or settings.LANGUAGE_CODE)
