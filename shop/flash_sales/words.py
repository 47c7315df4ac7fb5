"""What a person in a sale is told, in plain words. Pure."""

from dataclasses import dataclass

from shop.flash_sales.replies import Reply, Said

FINAL = frozenset({Said.SOLD_OUT, Said.LIMIT_REACHED, Said.TOO_LATE})
"""After these there is nothing more to come."""

_NOTHING_CHARGED = "Nothing was ordered and nothing was charged."


@dataclass(frozen=True, slots=True)
class Words:
    headline: str
    text: str


def words_of(reply: Reply, *, limit_per_person: int) -> Words:
    match reply.said:
        case Said.TICKET:
            return Words("One is yours to buy", "It is held for you while you pay.")
        case Said.IN_LINE:
            return _in_line(reply)
        case Said.SOLD_OUT:
            return Words("Sold out", f"Every unit has been paid for. {_NOTHING_CHARGED}")
        case Said.LIMIT_REACHED:
            return Words("You have your share", _limit(limit_per_person))
        case Said.TOO_EARLY:
            left = duration(-(-reply.starts_in_ms // 1_000))
            return Words("Not yet", f"By our clock the sale starts in {left}. Press again then.")
        case Said.TOO_LATE:
            return Words("The sale is over", f"It has ended. {_NOTHING_CHARGED}")
        case Said.PAUSED:
            return Words("One moment", reply.reason)
        case Said.REFUSED:
            return Words("This did not count", f"{reply.reason} {_NOTHING_CHARGED}")
        case Said.NOT_IN_LINE:
            return Words("You are not in line", "Go to the door and press the button to join.")


def _in_line(reply: Reply) -> Words:
    you = "You are next" if reply.position == 1 else f"You are {ordinal(reply.position)} in line"
    units = f"{reply.units_left:,} left; {reply.held:,} held by others may come back."
    if reply.estimate_seconds is None:
        turn = "Nobody can say yet when it is your turn."
    else:
        turn = f"Your turn comes in about {duration(max(1, reply.estimate_seconds))}."
    return Words(you, f"{units} {turn}")


def _limit(units: int) -> str:
    most = "one unit" if units == 1 else f"{units} units"
    return f"One person may have {most} of this sale, and you have that. Others are in line."


def ordinal(number: int) -> str:
    """812 → '812th', 1021 → '1,021st'."""
    if number % 100 in (11, 12, 13):
        ending = "th"
    else:
        ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def duration(seconds: int) -> str:
    """The two largest parts: '4 minutes 5 seconds', '2 days 3 hours'. 0 is '0 seconds'."""
    parts = []
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        number, seconds = divmod(max(0, seconds), size)
        if number:
            parts.append(f"{number} {name}{'' if number == 1 else 's'}")
    return " ".join(parts[:2]) or "0 seconds"
