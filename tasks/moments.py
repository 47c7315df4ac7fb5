"""Moments in words, for people who count seconds."""

from datetime import datetime


def words_until(moment: datetime, now: datetime) -> str:
    """'in 12 s', 'in 5 min', 'in 3 h'; 'due' when it is now or past."""
    seconds = (moment - now).total_seconds()
    if seconds <= 0:
        return "due"
    if seconds < 120:
        return f"in {seconds:.0f} s"
    if seconds < 7200:
        return f"in {seconds / 60:.0f} min"
    return f"in {seconds / 3600:.0f} h"
