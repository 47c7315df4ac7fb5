"""Passwords and keys of a private stack: random, made once, kept in its state file."""

import secrets
from collections.abc import Callable, Mapping

STAFF_USER = "staff"
SERVER_USER = "soldonce"

_MAKERS: dict[str, Callable[[], str]] = {
    "secret_key": lambda: secrets.token_urlsafe(50),
    "postgres_superuser": lambda: secrets.token_urlsafe(24),
    "postgres": lambda: secrets.token_urlsafe(24),
    "rabbitmq": lambda: secrets.token_urlsafe(24),
    "redis": lambda: secrets.token_urlsafe(24),
    "supervisor": lambda: secrets.token_urlsafe(24),
    "flower": lambda: secrets.token_urlsafe(12),
    "flower_cookie": lambda: secrets.token_urlsafe(32),
    "proof": lambda: secrets.token_urlsafe(50),
    "staff": lambda: secrets.token_urlsafe(12),
    "stripe": lambda: f"sk_test_{secrets.token_hex(16)}",
    "webhooks": lambda: f"whsec_{secrets.token_hex(16)}",
}


def complete(known: Mapping[str, str]) -> dict[str, str]:
    """All credentials: the known ones, and new ones for what is missing. URL-safe, without %."""
    return {name: known.get(name) or make() for name, make in _MAKERS.items()}
