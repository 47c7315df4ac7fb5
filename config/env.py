"""Strict readers for the environment: a setting is right, or start-up says what is wrong."""

import os
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str | None = None) -> str:
    """The variable's value. Without a default it must be set and not empty."""
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if default is None:
        raise ImproperlyConfigured(
            f"{name} is not set. .env.example lists every setting with an example; "
            "'./dev up' starts a private stack with all of them set."
        )
    return default


def flag(name: str, default: bool = False) -> bool:
    raw = os.environ.get(name)
    if raw is None:
        return default
    if raw.strip().lower() in _TRUE:
        return True
    if raw.strip().lower() in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name}={raw!r} is neither yes nor no: write 1 or 0.")


def number(name: str, default: float, *, low: float, high: float) -> float:
    """A number within [low, high]."""
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    try:
        value = float(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={raw!r} is not a number.") from None
    if not low <= value <= high:
        raise ImproperlyConfigured(f"{name}={raw} must lie between {low:g} and {high:g}.")
    return value


def whole(name: str, default: int, *, low: int, high: int) -> int:
    value = number(name, default, low=low, high=high)
    if value != int(value):
        raise ImproperlyConfigured(f"{name}={value} must be a whole number.")
    return int(value)


def choice(name: str, options: tuple[str, ...], default: str) -> str:
    """One of the words; an empty default means that it may be left out."""
    value = text(name, default)
    if value and value not in options:
        raise ImproperlyConfigured(f"{name}={value!r} is not known: write {' or '.join(options)}.")
    return value


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list; blanks around items do not count."""
    return [item.strip() for item in text(name, default).split(",") if item.strip()]


def url(name: str, schemes: tuple[str, ...], default: str | None = None) -> str:
    """A URL of one of the schemes. The password never appears in the message."""
    value = text(name, default)
    if value:
        _check_url(name, value, schemes)
    return value


def urls(name: str, schemes: tuple[str, ...]) -> list[str]:
    values = [item.strip() for item in text(name).split(",") if item.strip()]
    for value in values:
        _check_url(name, value, schemes)
    return values


def places(name: str) -> list[str]:
    """A comma-separated list of host:port; the last one may carry a /folder."""
    values = words(name, text(name))
    for value in values:
        host, _, port = value.partition("/")[0].rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
            raise ImproperlyConfigured(
                f"{name}: {value!r} is not host:port, e.g. zk1.example:2181."
            )
    return values


def _check_url(name: str, value: str, schemes: tuple[str, ...]) -> None:
    expected = " or ".join(f"{scheme}://" for scheme in schemes)
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not a URL ({error}).") from None
    if parts.scheme not in schemes:
        raise ImproperlyConfigured(f"{name} must start with {expected}.")
    if not parts.hostname and "unix" not in parts.scheme:
        raise ImproperlyConfigured(f"{name} names no host; expected {expected}host:port/…")
