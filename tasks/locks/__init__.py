"""Locks with an end and a fencing token, over independent nodes. See docs/locking.md.

``from tasks.locks import lock, alock`` is all that a caller needs.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.locks.aio import alock
    from tasks.locks.plain import lock

__all__ = ["alock", "lock"]


def __getattr__(name: str) -> Any:
    """Imported when asked for: parts of this package are used where Django is not set up."""
    if name == "lock":
        from tasks.locks.plain import lock  # noqa: PLC0415

        return lock
    if name == "alock":
        from tasks.locks.aio import alock  # noqa: PLC0415

        return alock
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
