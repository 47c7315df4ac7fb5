"""Single-flight: at most one running section per key, as far as locks can promise it.

The lease says who may work. What keeps a paused holder from writing is the fencing token, which
the database compares: claim the row with ``held.token`` before the first read (``tasks.fencing``).
"""

from tasks.locks.plain import MAX_HOLD_SECONDS, lock

single_flight = lock
"""The name that tasks use. See ``tasks.locks.plain.lock``."""

__all__ = ["MAX_HOLD_SECONDS", "single_flight"]
