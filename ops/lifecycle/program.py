"""What one run does: a program of small numbers, which hypothesis draws and makes smaller."""

from dataclasses import dataclass

from hypothesis import strategies as st

from ops.lifecycle.bank import Mood
from ops.lifecycle.catalogue import LIKELY


@dataclass(frozen=True)
class Act:
    """``what`` is done, to order or message ``which`` (modulo how many there are), ``how``."""

    what: str
    which: int = 0
    how: int = 0


@dataclass(frozen=True)
class Step:
    """Acts at the same time; ``turns`` interleave them (``Stage.together``)."""

    acts: tuple[Act, ...]
    turns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Program:
    """``quantities`` of the first order, one for each SKU; ``spare`` units of each SKU beyond it.
    ``moods`` of the bank, for one call after the other. ``agrees``: what becomes of payments that
    wait for the shopper and refunds that are under way, once all is over. ``road`` is how far the first
    order has come before: captured, packed, shipped, delivered, announced as coming back."""

    steps: tuple[Step, ...]
    quantities: tuple[int, ...] = (1,)
    spare: int = 0
    moods: tuple[Mood, ...] = ()
    agrees: bool = True
    road: int = 0


def programs(most_steps: int = 7) -> st.SearchStrategy[Program]:
    act = st.builds(Act, st.sampled_from(LIKELY), st.integers(0, 3), st.integers(0, 5))
    alone = st.builds(Step, st.tuples(act))
    turns = st.lists(st.integers(1, 14), max_size=5).map(tuple)
    together = st.builds(Step, st.lists(act, min_size=2, max_size=3).map(tuple), turns)
    # A second press of the same button, while the first is still being worked off.
    twice = st.builds(Step, act.map(lambda one: (one, one)), turns)
    return st.builds(
        Program,
        steps=st.lists(
            st.one_of(alone, alone, together, twice), min_size=1, max_size=most_steps
        ).map(tuple),
        quantities=st.sampled_from([(1,), (2,), (1, 2), (3,)]),
        spare=st.sampled_from([0, 0, 1, 5]),
        moods=st.lists(st.sampled_from(MOODS), max_size=5).map(tuple),
        agrees=st.booleans(),
        road=st.sampled_from([0, 0, 0, 1, 2, 2, 3, 4, 5]),
    )


# Most of the time a bank does what it is asked.
MOODS = (
    *(Mood.YES, Mood.YES, Mood.YES, Mood.NO, Mood.ACTION, Mood.ACTION),
    *(Mood.SILENT_BEFORE, Mood.SILENT_AFTER, Mood.SILENT_AFTER, Mood.LATE, Mood.BUSY),
)
