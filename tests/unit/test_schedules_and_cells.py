"""When exports are due, and what a spreadsheet is given."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from orders.csv_cells import safe_cell
from orders.schedules import due_before, last_due

BERLIN = ZoneInfo("Europe/Berlin")
WEDNESDAY = datetime(2026, 11, 25, 14, 30, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("period", "weekday", "hour", "expected"),
    [
        ("daily", 0, 6, datetime(2026, 11, 25, 6, tzinfo=BERLIN)),
        ("daily", 0, 14, datetime(2026, 11, 25, 14, tzinfo=BERLIN)),
        ("daily", 0, 15, datetime(2026, 11, 24, 15, tzinfo=BERLIN)),
        ("weekly", 0, 6, datetime(2026, 11, 23, 6, tzinfo=BERLIN)),
        ("weekly", 2, 6, datetime(2026, 11, 25, 6, tzinfo=BERLIN)),
        ("weekly", 2, 15, datetime(2026, 11, 18, 15, tzinfo=BERLIN)),
        ("weekly", 6, 6, datetime(2026, 11, 22, 6, tzinfo=BERLIN)),
    ],
)
def test_the_newest_due_time_is_not_after_now(
    period: str, weekday: int, hour: int, expected: datetime
) -> None:
    assert last_due(period, weekday=weekday, hour=hour, now=WEDNESDAY) == expected


def test_an_hour_that_the_clock_shows_twice_is_due_once() -> None:
    # 25 October 2026: at 3 o'clock it is 2 o'clock again.
    first = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
    again = first.replace(fold=1)

    due = {last_due("daily", weekday=0, hour=2, now=now).astimezone(UTC) for now in (first, again)}

    assert due == {datetime(2026, 10, 25, 0, tzinfo=UTC)}


def test_the_time_before_is_the_same_hour_on_the_wall() -> None:
    due = datetime(2026, 10, 26, 6, tzinfo=BERLIN)

    assert due_before(due, "daily") == datetime(2026, 10, 25, 6, tzinfo=BERLIN)
    assert due_before(due, "weekly") == datetime(2026, 10, 19, 6, tzinfo=BERLIN)


@pytest.mark.parametrize(
    "cell", ["=1+1", "+49 30 1", "-2", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"]
)
def test_what_would_run_as_a_formula_is_shown_as_text(cell: str) -> None:
    assert safe_cell(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "7K2Q-9FWD", "alice@example.com", "12.50", "a=b", "'=1"])
def test_what_runs_nowhere_stays_as_it_is(cell: str) -> None:
    assert safe_cell(cell) == cell
