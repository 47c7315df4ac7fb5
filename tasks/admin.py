"""The platform's pages for the people on call. Importing them registers them."""

from tasks import (
    admin_breakers,
    admin_dead_letters,
    admin_events,
    admin_locks,
    admin_outbox,
)

__all__ = [
    "admin_breakers",
    "admin_dead_letters",
    "admin_events",
    "admin_locks",
    "admin_outbox",
]
