"""Servers that the caller names in the environment instead of letting the stack start its own."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from ops.stack.errors import StackError

# Set in the environment that a stack gives to its programs: the variables below that are the
# stack's own. A stack started from within another one must not take them for the caller's wish.
OWN = "STACK_OWN_SERVERS"

REPLACES: dict[str, tuple[str, ...]] = {
    "DATABASE_URL": ("postgres",),
    "BROKER_URL": ("epmd", "rabbitmq"),
    "BROKER_API_URL": (),
    "LOCK_REDIS_URLS": ("redis-lock-1", "redis-lock-2", "redis-lock-3"),
    "CACHE_URL": ("redis-cache",),
    "GATE_URL": ("redis-gate",),
    "EVENT_SINK_URL": (),
    "STRIPE_API_KEY": ("sandbox",),
    "STRIPE_API_BASE": (),
    "STRIPE_WEBHOOK_SECRET": (),
}
_TOGETHER = (
    ("BROKER_URL", "BROKER_API_URL", "the management API, http://user:password@host:15672/api"),
    ("BROKER_API_URL", "BROKER_URL", "amqp://user:password@host:5672//"),
    ("STRIPE_API_BASE", "STRIPE_API_KEY", "the key that this server accepts"),
    ("STRIPE_WEBHOOK_SECRET", "STRIPE_API_KEY", "the key of the account that signs with it"),
)


@dataclass(frozen=True, slots=True)
class Given:
    """The variables that the caller set, by name."""

    urls: Mapping[str, str] = field(default_factory=dict)

    @property
    def replaced_parts(self) -> set[str]:
        return {part for name in self.urls for part in REPLACES[name]}


def from_environment(environ: Mapping[str, str] = os.environ) -> Given:
    """Read the caller's wishes.

    Raises:
        StackError: one of two variables that only make sense together is missing.
    """
    own = set(environ.get(OWN, "").split(","))
    urls = {
        name: environ[name].strip()
        for name in REPLACES
        if name not in own and environ.get(name, "").strip()
    }
    for one, other, example in _TOGETHER:
        if one in urls and other not in urls:
            raise StackError(
                f"{one} is set and {other} is not. "
                f"Set {other} too ({example}), or unset {one} to use a private server."
            )
    return Given(urls)
