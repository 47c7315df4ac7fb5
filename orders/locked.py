"""What a lock that could not be had in time means to the caller: try again, nothing happened."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError
from psycopg2 import errorcodes

from orders.errors import Busy

_CONTENTION = {
    errorcodes.LOCK_NOT_AVAILABLE,
    errorcodes.DEADLOCK_DETECTED,
    errorcodes.SERIALIZATION_FAILURE,
    errorcodes.QUERY_CANCELED,
}


@contextmanager
def honest_about_locks() -> Iterator[None]:
    """Turn a lock timeout or deadlock into Busy. Wrap it around the whole transaction."""
    try:
        yield
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", None) in _CONTENTION:
            raise Busy(
                "The shop is very busy right now. Nothing was changed: try again."
            ) from error
        raise
