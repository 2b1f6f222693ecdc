"""What batches cost, as the batcher finds it while it runs."""

import random
from statistics import fmean, pvariance

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from inference.batcher import Batcher, Cost
from tests.support.lanes import cost_of

sizes = st.lists(st.integers(1, 64), min_size=2, max_size=60)


@given(st.floats(0, 200), st.floats(0.1, 200), sizes)
def test_the_cost_is_found_where_there_is_no_noise(
    fixed_ms: float, image_ms: float, images: list[int]
) -> None:
    assume(pvariance(images) > 0.05 * fmean(images) ** 2)  # else too much alike
    assume(fixed_ms < 40 * image_ms)  # beyond that the slope is taken for noise
    cost = Cost()
    for n in images:
        cost.measured(n, fixed_ms + image_ms * n)
    assert cost.image_ms == pytest.approx(image_ms, rel=1e-3, abs=1e-3)
    assert cost.fixed_ms == pytest.approx(fixed_ms, rel=1e-2, abs=0.1)


@given(st.lists(st.tuples(st.integers(1, 64), st.floats(0.01, 1e4)), min_size=1))
def test_no_noise_makes_a_cost_that_cannot_be(
    measured: list[tuple[int, float]],
) -> None:
    cost = Cost()
    for images, ms in measured:
        cost.measured(images, ms)
    assert cost.image_ms > 0
    assert cost.fixed_ms >= 0
    assert cost.of(8) >= cost.of(1) > 0
    assert 1 <= Batcher(cost, 250, 16).preferred() <= 16


@given(st.integers(1, 64), st.floats(0.1, 1e4), st.integers(1, 50))
def test_one_size_is_enough_to_go_by(images: int, ms: float, times: int) -> None:
    cost = Cost()
    for _ in range(times):
        cost.measured(images, ms)
    assert cost.of(images) == pytest.approx(ms)
    assert cost.rate(images) == pytest.approx(1000 * images / ms)


def test_batches_of_one_size_do_not_make_the_rest_forgotten() -> None:
    """A GPU's, say: were the fixed cost lost, batches would never grow again."""
    cost = Cost()
    for images in (1, 2, 4):
        cost.measured(images, 5 + 0.2 * images)
    for _ in range(2000):
        cost.measured(2, 5.4)
    assert cost.of(16) == pytest.approx(8.2, rel=0.02)
    assert Batcher(cost, 250, 16).preferred() > 8
    for _ in range(200):  # twice as slow
        cost.measured(2, 10.8)
    assert cost.of(2) == pytest.approx(10.8, rel=0.02)


def test_a_cost_that_changes_is_followed() -> None:
    noise = random.Random(0)
    cost = cost_of(1, 10)
    for _ in range(300):
        images = noise.choice([1, 2, 4])
        cost.measured(images, (5 + 30 * images) * noise.uniform(0.9, 1.1))
    assert cost.of(4) == pytest.approx(125, rel=0.1)


def test_a_batch_during_which_the_process_was_stopped_does_not_ruin_the_cost() -> None:
    cost = Cost()
    for images in [1, 2, 4] * 5:
        cost.measured(images, 10 + 5 * images)
    expected = cost.of(4)
    cost.measured(4, 60_000)
    assert cost.of(4) < 2 * expected


def test_a_real_slowdown_is_followed() -> None:
    cost = Cost()
    for slower in (1, 20):
        for images in [1, 2, 4] * 100:
            cost.measured(images, slower * (10 + 5 * images))
    assert cost.of(4) == pytest.approx(20 * 30, rel=0.05)


@given(st.floats(0.1, 100), st.lists(st.integers(1, 64), min_size=1))
def test_decoding_is_known_by_the_image(each_ms: float, batches: list[int]) -> None:
    cost = Cost()
    for images in batches:
        cost.decoded(images, each_ms * images)
    assert cost.decode_ms == pytest.approx(each_ms)


def test_one_picture_that_takes_long_to_decode_is_not_what_decoding_costs() -> None:
    cost = Cost()
    for _ in range(10):
        cost.decoded(2, 7)
    cost.decoded(1, 5000)
    assert 3.5 < cost.decode_ms < 5
    for _ in range(300):
        cost.decoded(1, 40)
    assert cost.decode_ms == pytest.approx(40, rel=0.01)
