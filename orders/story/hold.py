"""How long an order's units are still kept, in words."""

from datetime import datetime


def time_left(until: datetime, now: datetime) -> str:
    """``'12 more minutes'``; rounded down, so that nobody is promised too much. Pure."""
    minutes = int((until - now).total_seconds()) // 60
    if minutes < 1:
        return "less than a minute"
    if minutes >= 48 * 60:
        return f"{minutes // (24 * 60)} more days"
    if minutes >= 120:
        return f"{minutes // 60} more hours"
    return "1 more minute" if minutes == 1 else f"{minutes} more minutes"
