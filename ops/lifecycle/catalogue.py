"""Everything that somebody can do, by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ops.lifecycle import at_the_bank, at_the_shop, by_the_staff, by_the_worker

if TYPE_CHECKING:
    from ops.lifecycle.world import World

Action = Callable[["World", int, int], Callable[[], str]]
"""Which one of several, and how, make it a job. What it aims at is chosen now, as somebody does who
looks at a page; what it does happens when the job runs."""

ACTIONS: dict[str, Action] = {
    **by_the_worker.ACTIONS,
    **at_the_bank.ACTIONS,
    **at_the_shop.ACTIONS,
    **by_the_staff.ACTIONS,
}

# Without workers nothing moves, so they come most often.
_OFTEN = {"work": 14, "webhook": 2, "ship": 3, "deliver": 2, "refund_line": 2, "another_card": 2}
_OFTEN |= {"announces_return": 2, "receive": 2, "cancel_as_shopper": 2, "expire": 2}

LIKELY = tuple(name for name in ACTIONS for _ in range(_OFTEN.get(name, 1)))
"""The names, each as often as it is likely."""
