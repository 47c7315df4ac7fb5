"""The console's arithmetic: plots, rates, forecast."""

from datetime import UTC, datetime, timedelta

import pytest

from shop.flash_sales.forecast import sold_out_at
from shop.flash_sales.plots import Series, draw, nice_top, number
from shop.flash_sales.rates import per_second
from shop.flash_sales.sampling import Figures, read_figures

START = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def times(count: int) -> list[datetime]:
    return [START + timedelta(seconds=index) for index in range(count)]


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (1.5, 2), (3, 4), (5, 10), (10, 10), (11, 20), (500, 1_000)]
)
def test_an_axis_ends_at_a_plain_number_that_is_not_below_its_highest_value(
    most: float, top: float
) -> None:
    assert nice_top(most) == top


def test_a_gap_in_the_values_is_a_gap_in_the_line() -> None:
    plot = draw("Line", times(5), [Series("in line", [1, 2, None, 4, 2])])

    (line,) = plot.lines
    assert [len(path.split()) for path in line.paths] == [2, 2]
    assert line.newest == "2"


def test_a_single_moment_is_seen_as_well() -> None:
    plot = draw("Line", times(1), [Series("in line", [3])])

    assert len(plot.lines[0].paths[0].split()) == 2


def test_higher_values_are_drawn_higher_and_stay_in_the_drawing() -> None:
    plot = draw("Units", times(3), [Series("free", [0, 50, 100])])

    heights = [float(point.split(",")[1]) for point in plot.lines[0].paths[0].split()]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] == plot.bottom
    assert min(heights) > 0


def test_a_plot_without_samples_is_empty_and_says_so() -> None:
    plot = draw("Units", [], [Series("free", [])])

    assert plot.lines[0].paths == ()
    assert "free –" in plot.in_words


def test_a_sample_of_an_older_version_is_read_and_what_it_does_not_know_is_a_gap() -> None:
    figures = read_figures({"free": 2, "held": 1, "sold": 0, "line": 4, "clicks": {}})

    assert (figures.free, figures.payment_seconds, figures.message_seconds) == (2, None, None)


def test_numbers_are_short() -> None:
    assert [number(value) for value in (0, 0.25, 3, 12.6, 1500)] == ["0", "0.2", "3", "13", "1,500"]


def clicks(**counted: int) -> Figures:
    return Figures(line=0, clicks=counted)


def test_a_rate_is_the_rise_of_its_counter_each_second() -> None:
    samples = list(zip(times(3), [clicks(), clicks(rate=4), clicks(rate=10)], strict=True))

    assert per_second(samples)("rate") == [None, 4, 6]
    assert per_second(samples)("forged") == [None, 0, 0]


def test_a_gate_that_was_lost_is_no_rate_below_zero_but_a_gap() -> None:
    figures = [clicks(rate=9), Figures(line=None), clicks(rate=1), clicks(rate=0)]
    samples = list(zip(times(4), figures, strict=True))

    assert per_second(samples)("rate") == [None, None, None, None]


def selling(*sold: int, units: int = 100) -> list[tuple[datetime, Figures]]:
    return [
        (at, Figures(free=units - one, sold=one))
        for at, one in zip(times(len(sold)), sold, strict=True)
    ]


def test_the_forecast_goes_on_at_the_pace_of_the_last_minute() -> None:
    assert sold_out_at(selling(0, 10, 20, 30, 40)) == START + timedelta(seconds=4 + 6)


def test_what_happened_before_the_last_minute_does_not_count() -> None:
    slow = [*selling(*([50] * 100))]

    assert sold_out_at(slow) is None


def test_nobody_can_say_without_samples_or_without_anything_left() -> None:
    assert sold_out_at([]) is None
    assert sold_out_at(selling(0, 50)) is None
    assert sold_out_at(selling(0, 50, 70, 90, 100)) is None


def test_figures_of_an_older_version_are_read() -> None:
    assert read_figures({"free": 3, "gone": 1}) == Figures(free=3)
