"""What one run does: a program of small numbers, which hypothesis draws and makes smaller."""

from dataclasses import dataclass

from hypothesis import strategies as st

from ops.lifecycle.bank import Mood
from ops.lifecycle.catalogue import LIKELY
from ops.lifecycle.roads import NEAR


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
    """``road`` is how far the first order has come before (``ops.lifecycle.roads``).
    ``quantities`` are its units, one number for each SKU; ``spare`` the units of each SKU beyond
    it. ``moods`` of the bank, for one call after the other. ``agrees``: what becomes of payments
    that wait for the shopper and refunds that are under way, once all is over."""

    steps: tuple[Step, ...]
    road: str = "placed"
    quantities: tuple[int, ...] = (1,)
    spare: int = 0
    moods: tuple[Mood, ...] = ()
    agrees: bool = True


def programs(most_steps: int = 6) -> st.SearchStrategy[Program]:
    return st.sampled_from(sorted(NEAR)).flatmap(lambda road: _programs(road, most_steps))


def _programs(road: str, most_steps: int) -> st.SearchStrategy[Program]:
    # What can be done where the order stands comes as often as everything else.
    what = st.one_of(st.sampled_from(NEAR[road]), st.sampled_from(LIKELY))
    act = st.builds(Act, what, st.integers(0, 3), st.integers(0, 5))
    turns = st.lists(st.integers(1, 14), max_size=5).map(tuple)
    alone = st.builds(Step, st.tuples(act))
    together = st.builds(Step, st.lists(act, min_size=2, max_size=3).map(tuple), turns)
    # A second press of the same button, while the first is still being worked off.
    twice = st.builds(Step, act.map(lambda one: (one, one)), turns)
    steps = st.lists(st.one_of(alone, alone, together, twice), min_size=1, max_size=most_steps)
    return st.builds(
        Program,
        steps=steps.map(tuple),
        road=st.just(road),
        quantities=st.sampled_from([(1,), (2,), (1, 2), (3,)]),
        spare=st.sampled_from([0, 0, 1, 5]),
        moods=st.lists(st.sampled_from(MOODS), max_size=5).map(tuple),
        agrees=st.booleans(),
    )


# Most of the time a bank does what it is asked.
MOODS = (
    *(Mood.YES, Mood.YES, Mood.YES, Mood.NO, Mood.ACTION, Mood.ACTION),
    *(Mood.SILENT_BEFORE, Mood.SILENT_AFTER, Mood.SILENT_AFTER, Mood.LATE, Mood.BUSY),
)
