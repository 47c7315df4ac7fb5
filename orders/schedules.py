"""When something that comes every day or week is due. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum


class Period(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"


_LENGTH = {Period.DAILY: timedelta(days=1), Period.WEEKLY: timedelta(days=7)}


def last_due(period: str, *, weekday: int, hour: int, now: datetime) -> datetime:
    """The newest due time that is not after ``now``, in the zone of ``now``.

    ``weekday`` (0: Monday) counts for a week only. An hour that a clock shows twice is due the
    first time; one that it skips is due when it would have come.
    """
    due = now.replace(hour=hour, minute=0, second=0, microsecond=0, fold=0)
    if period == Period.WEEKLY:
        due -= timedelta(days=(now.weekday() - weekday) % 7)
    return due if due <= now else due - _LENGTH[Period(period)]


def due_before(due: datetime, period: str) -> datetime:
    """The due time before this one, by the clock on the wall."""
    return due - _LENGTH[Period(period)]
