"""Rounds become figures, and figures stand beside their bars."""

import pytest

from bench.figures import BARS, Bar, Figure, median, ratio


def test_a_ratio_is_that_of_the_medians_and_its_spread_that_of_the_rounds() -> None:
    found = ratio("limit", [90.0, 80.0, 60.0], [100.0, 80.0, 100.0])
    assert found.value == 0.8  # 80 / 100
    assert (found.low, found.high) == (0.6, 1.0)


def test_a_ratio_wants_the_same_rounds_of_both_sides_and_no_empty_one() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio("limit", [1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="without a right answer"):
        ratio("limit", [1.0], [0.0])


def test_a_median_keeps_its_rounds_extremes() -> None:
    found = median("single", [4.0, 9.0, 3.0])
    assert (found.value, found.low, found.high, found.unit) == (4.0, 3.0, 9.0, "ms")


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("limit", 0.9, "met"),
        ("limit", 0.899, "missed"),
        ("single", 5.0, "met"),
        ("single", 5.01, "missed"),
        ("somebody", 100.0, "no bar"),
    ],
)
def test_the_bar_itself_is_met(name: str, value: float, verdict: str) -> None:
    assert Figure(name, value, value, value).verdict == verdict


def test_the_bars_are_those_that_were_set() -> None:
    bounds = {name: str(bar) for name, bar in BARS.items()}
    assert bounds == {
        "limit": "≥ 0.9",
        "mosec": "≥ 1",
        "litserve": "≥ 1.1",
        "classic": "≥ 20",
        "litserve-tensorflow": "≥ 2",
        "gateway": "≥ 0.75",
        "single": "≤ 5 ms",
        "openloop": "≤ 4",
        "bulk": "≤ 2",
        "cached": "≥ 5",
        "large": "≤ 0.5",
        "memory": "≤ 1.3",
    }


def test_a_figure_without_a_bar_has_a_title_of_its_own() -> None:
    assert Figure("ray", 1, 1, 1, "÷ Ray Serve").heading == "÷ Ray Serve"
    assert Bar("÷ x", 1).title == "÷ x"
