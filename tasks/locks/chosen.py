"""The lock backend that the settings choose: one per process."""

import os
import threading
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from tasks.locks.backend import ClosableBackend, LockBackend
from tasks.locks.limits import CLOCK_ALLOWANCE_SECONDS
from tasks.locks.metrics import METRICS
from tasks.locks.redlock import Redlock

if TYPE_CHECKING:
    from tasks.locks.database import DatabaseLocks
    from tasks.locks.fallback import FallbackLocks
    from tasks.locks.zookeeper import ZooKeeperLocks

_making = threading.Lock()
# A fork must not copy the lock in the hands of a thread that the child does not have.
os.register_at_fork(
    before=_making.acquire, after_in_parent=_making.release, after_in_child=_making.release
)


def get_backend() -> LockBackend:
    """The backend that the settings name: one per process, made on first use, renewed by a fork.

    Raises ImproperlyConfigured.
    """
    with _making:
        return _backend()


def forget_backend() -> None:
    """Close the process's backend; the next ``get_backend`` reads the settings again."""
    with _making:
        if _backend.cache_info().currsize:
            _backend().close()
        _backend.cache_clear()


@cache
def _backend() -> ClosableBackend:
    try:
        match settings.LOCK_BACKEND:
            case "postgres":
                return _database(lead=0.0)
            case "zookeeper":
                return _zookeeper()
            case _ if settings.LOCK_FALLBACK:
                return _with_fallback(_redlock())
            case _:
                return _redlock()
    except ValueError as error:
        raise ImproperlyConfigured(f"{_SOURCES[settings.LOCK_BACKEND]}: {error}") from None


_SOURCES = {
    "redlock": "LOCK_REDIS_URLS",
    "postgres": "DATABASE_URL",
    "zookeeper": "ZOOKEEPER_HOSTS",
}


def _redlock() -> Redlock:
    return Redlock(
        settings.LOCK_REDIS_URLS,
        prefix=settings.LOCK_KEY_PREFIX,
        max_ttl=settings.LOCK_TTL_SECONDS,
        node_timeout=settings.LOCK_NODE_TIMEOUT_SECONDS,
        observer=METRICS,
    )


# What the settings do not name is not loaded.


def _database(lead: float) -> "DatabaseLocks":
    from django.db import connection  # noqa: PLC0415

    from tasks.locks.database import DatabaseLocks  # noqa: PLC0415

    return DatabaseLocks(
        connection.get_connection_params(),
        prefix=settings.LOCK_KEY_PREFIX,
        max_ttl=settings.LOCK_TTL_SECONDS,
        timeout=settings.LOCK_STORE_TIMEOUT_SECONDS,
        lead=lead,
        observer=METRICS,
    )


def _zookeeper() -> "ZooKeeperLocks":
    from tasks.locks.zookeeper import ZooKeeperLocks  # noqa: PLC0415

    return ZooKeeperLocks(
        settings.ZOOKEEPER_HOSTS,
        prefix=settings.LOCK_KEY_PREFIX,
        max_ttl=settings.LOCK_TTL_SECONDS,
        timeout=settings.LOCK_STORE_TIMEOUT_SECONDS,
        observer=METRICS,
    )


def _with_fallback(nodes: Redlock) -> "FallbackLocks":
    from tasks.locks.fallback import FallbackLocks  # noqa: PLC0415

    return FallbackLocks(
        nodes,
        _database(lead=CLOCK_ALLOWANCE_SECONDS),
        max_ttl=settings.LOCK_TTL_SECONDS,
        after=settings.LOCK_FALLBACK_AFTER_SECONDS,
        on_fallback=lambda key, _: METRICS.fell_back(key),
    )
