"""The measured pace of a worker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.pace import Pace


def test_what_was_not_measured_is_taken_from_elsewhere() -> None:
    pace = Pace()
    pace.ended(4, 1.0, more=True)
    assert pace.images_per_s(otherwise=70) == 70


def test_a_rest_between_batches_is_no_work() -> None:
    """Two images a tenth of a second, an hour's rest, and the same again."""
    pace = Pace()
    for start in (0.0, 3600.0):
        pace.ended(2, start, more=True)
        pace.ended(2, start + 0.1, more=False)
    assert pace.images_per_s(otherwise=0) == pytest.approx(20)


def test_it_follows_a_change() -> None:
    pace, now = Pace(), 0.0
    for seconds in [0.1] * 50 + [0.2] * 50:
        pace.ended(2, now, more=True)
        now += seconds
    assert pace.images_per_s(otherwise=0) == pytest.approx(10, rel=0.01)


@given(
    st.lists(
        st.tuples(st.integers(1, 64), st.floats(0.001, 10)), min_size=2, max_size=50
    )
)
def test_it_lies_between_the_slowest_and_the_fastest(
    batches: list[tuple[int, float]],
) -> None:
    pace, now = Pace(), 0.0
    for images, seconds in batches:
        now += seconds
        pace.ended(images, now, more=True)
    paces = [images / seconds for images, seconds in batches[1:]]
    measured = pace.images_per_s(otherwise=-1)
    # What is cut off as an outlier makes it faster than the slowest, never than the fastest.
    assert min(paces) * 0.999 <= measured <= max(paces) * 1.001


def test_a_pause_is_not_taken_for_work() -> None:
    """Twenty images a second, and then a batch during which Redis was away for a minute."""
    pace = Pace()
    for end in range(20):
        pace.ended(2, end / 10, more=True)
    pace.ended(2, 62.0, more=True)
    assert pace.images_per_s(otherwise=0) > 14
