"""What batches of each size cost lately."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.batcher import Cost
from inference.points import MOST, Points

measurements = st.lists(st.tuples(st.integers(1, 40), st.floats(1, 1000)), min_size=1)


@given(measurements)
def test_a_mean_lies_among_what_was_measured(
    measured: list[tuple[int, float]],
) -> None:
    points = Points()
    for images, ms in measured:
        points.measured(images, ms)
    for images, mean in points.means():
        of_it = [ms for n, ms in measured if n == images]
        assert min(of_it) - 1e-6 <= mean <= max(of_it) + 1e-6


@given(measurements)
def test_the_sizes_measured_last_are_kept(measured: list[tuple[int, float]]) -> None:
    points = Points()
    for images, ms in measured:
        points.measured(images, ms)
    lately: list[int] = []
    for images, _ in reversed(measured):
        if images not in lately:
            lately.append(images)
    assert [n for n, _ in points.means()] == sorted(lately[:MOST])


def test_a_mean_follows_what_has_changed() -> None:
    points = Points()
    for _ in range(50):
        points.measured(4, 100)
    for _ in range(50):
        points.measured(4, 200)
    ((_, mean),) = points.means()
    assert mean == pytest.approx(200, rel=0.01)


def test_points_lie_on_the_line_that_is_fitted_to_them() -> None:
    cost = Cost()
    for images in (1, 2, 4, 8) * 20:
        cost.measured(images, 5 + 10 * images)
        cost.beside(3)
    for images, ms in cost.points:
        assert ms == pytest.approx(cost.of(images), rel=0.02)


def test_a_machine_asleep_is_no_cost() -> None:
    cost = Cost()
    for images in (1, 2, 4) * 10:
        cost.measured(images, 10 * images)
    cost.measured(4, 600_000)
    assert dict(cost.points)[4] < 60
