"""The benchmark's arithmetic: ratios per round, bars, and who was inside with whom."""

from typing import Any

import pytest

from ops.bench.contention import read_heat
from ops.bench.figures import Bar, Spread, ratio


def told(
    *sections: tuple[float, float, float], overlaps: int = 0, pending: float = 0.0
) -> dict[str, Any]:
    """What one process tells: each section as (wait, inside, left)."""
    ended_at = max((left for _, _, left in sections), default=0.0)
    listed = [list(section) for section in sections]
    facts = {"began_at": 0.0, "ended_at": ended_at, "pending": pending, "refusals": 0}
    return {**facts, "overlaps": overlaps, "sections": listed}


def test_a_ratio_is_taken_within_each_round() -> None:
    slow_round_for_both = ratio([10.0, 100.0, 12.0], [10.0, 50.0, 10.0])

    assert slow_round_for_both == Spread(1.2, 1.0, 2.0)


@pytest.mark.parametrize(
    ("median", "at_most", "met"),
    [(1.3, True, True), (1.31, True, False), (3.0, False, True), (2.9, False, False)],
)
def test_a_bar_is_judged_by_the_median(median: float, at_most: bool, met: bool) -> None:
    limit = 1.3 if at_most else 3.0

    assert Bar("a promise", Spread(median, 0.0, 99.0), limit, at_most=at_most).met is met


def test_sections_one_after_the_other_do_not_overlap() -> None:
    heat = read_heat([told((0.0, 0.0, 1.0), (1.0, 2.0, 3.0)), told((1.0, 1.0, 2.0))], wanted=3)

    assert (heat.overlaps, heat.longest_run, heat.total, heat.cut_off) == (0, 1, 3.0, False)
    assert max(heat.waits) == 1.0


def test_sections_at_the_same_time_overlap_even_when_no_witness_saw_it() -> None:
    heat = read_heat([told((0.0, 0.0, 1.0)), told((0.0, 0.9, 2.0))], wanted=2)

    assert heat.overlaps == 1


def test_an_overlap_that_a_witness_saw_counts() -> None:
    heat = read_heat([told((0.0, 0.0, 1.0)), told((0.0, 1.0, 2.0), overlaps=1)], wanted=2)

    assert heat.overlaps == 1


def test_who_is_not_through_is_charged_at_its_own_rate() -> None:
    heat = read_heat([told((0.0, 0.0, 1.0), (0.0, 1.0, 2.0))], wanted=4)

    assert (heat.cut_off, heat.total, heat.longest_run) == (True, 4.0, 2)


def test_who_is_cut_off_while_it_waits_has_waited() -> None:
    heat = read_heat([told((0.0, 0.0, 1.0)), told(pending=9.0)], wanted=2)

    assert max(heat.waits) == 9.0
