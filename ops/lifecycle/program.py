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


def programs() -> st.SearchStrategy[Program]:
    """Anything, anywhere on the road."""
    return st.sampled_from(sorted(NEAR)).flatmap(lambda road: _programs(road, _steps(road)))


def crowded(road: str) -> st.SearchStrategy[Program]:
    """Two or three at once from one place on the road, who do what is likely there."""
    act = _acts(st.sampled_from(NEAR[road]))
    return _programs(road, st.one_of(_together(act), _twice(act), st.builds(Step, st.tuples(act))))


def _programs(road: str, step: st.SearchStrategy[Step]) -> st.SearchStrategy[Program]:
    return st.builds(
        Program,
        steps=st.lists(step, min_size=1, max_size=6).map(tuple),
        road=st.just(road),
        quantities=st.sampled_from([(1,), (2,), (1, 2), (3,)]),
        spare=st.sampled_from([0, 0, 1, 5]),
        moods=st.lists(st.sampled_from(MOODS), max_size=5).map(tuple),
        agrees=st.booleans(),
    )


def _steps(road: str) -> st.SearchStrategy[Step]:
    # What can be done where the order stands comes as often as everything else.
    act = _acts(st.one_of(st.sampled_from(NEAR[road]), st.sampled_from(LIKELY)))
    alone = st.builds(Step, st.tuples(act))
    return st.one_of(alone, alone, _together(act), _twice(act))


def _acts(what: st.SearchStrategy[str]) -> st.SearchStrategy[Act]:
    return st.builds(Act, what, st.integers(0, 3), st.integers(0, 5))


def _together(act: st.SearchStrategy[Act]) -> st.SearchStrategy[Step]:
    return st.builds(Step, st.lists(act, min_size=2, max_size=3).map(tuple), _TURNS)


def _twice(act: st.SearchStrategy[Act]) -> st.SearchStrategy[Step]:
    """A second press of the same button, while the first is still being worked off."""
    return st.builds(Step, act.map(lambda one: (one, one)), _TURNS)


# Most checks come early in a transaction.
_TURNS = st.lists(st.sampled_from([1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 8, 10, 13]), max_size=5).map(tuple)

# Most of the time a bank does what it is asked.
MOODS = (
    *(Mood.YES, Mood.YES, Mood.YES, Mood.NO, Mood.ACTION, Mood.ACTION),
    *(Mood.SILENT_BEFORE, Mood.SILENT_AFTER, Mood.SILENT_AFTER, Mood.LATE, Mood.BUSY),
)
