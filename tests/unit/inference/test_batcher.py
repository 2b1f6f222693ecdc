"""The batcher: what it takes is there, fits, pays, and starves nobody."""

import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from inference.batcher import BULK_SHARE, Batcher, Cost, Plan, Queued

counts = st.integers(0, 500)
workers = st.integers(1, 16)
costs = st.tuples(st.floats(0, 500), st.floats(0.01, 500))


def cost_of(fixed_ms: float, image_ms: float) -> Cost:
    """A cost that was measured without noise."""
    cost = Cost()
    for images in (1, 2, 4, 8):
        cost.measured(images, fixed_ms + image_ms * images)
    return cost


def batcher(
    fixed_ms: float = 1, image_ms: float = 10, target_ms: float = 250, most: int = 16
) -> Batcher:
    return Batcher(cost_of(fixed_ms, image_ms), target_ms, most)


@given(costs, st.floats(1, 2000), st.integers(1, 64), counts, counts, workers)
def test_a_plan_holds_what_is_there_and_no_more_than_fits(
    cost: tuple[float, float],
    target_ms: float,
    most: int,
    interactive: int,
    bulk: int,
    sharing: int,
) -> None:
    one = batcher(*cost, target_ms, most)
    queued = Queued(interactive, bulk, sharing)
    for _ in range(20):  # also with an account of what bulk is owed
        plan = one.plan(queued)
        assert 0 <= plan.interactive <= interactive
        assert 0 <= plan.bulk <= bulk
        assert plan.images <= most
        assert bool(plan.images) == bool(interactive + bulk)
        one.took(plan, queued)


@given(st.integers(1, 500), workers)
def test_other_workers_are_left_their_share(waiting: int, sharing: int) -> None:
    plan = batcher(fixed_ms=1000, target_ms=60_000, most=512).plan(
        Queued(waiting, 0, sharing)
    )
    assert plan.images <= -(-waiting // sharing)


def test_no_worker_but_this_one_takes_all() -> None:
    one = batcher(fixed_ms=1000, target_ms=60_000)
    assert one.plan(Queued(7, 0, workers=0)).images == 7


@given(st.integers(0, 300), st.integers(1, 300))
def test_people_go_first_and_collections_fill_what_is_left(
    interactive: int, bulk: int
) -> None:
    """Before anything is owed to bulk."""
    plan = batcher(fixed_ms=100, target_ms=5000).plan(Queued(interactive, bulk))
    assert plan.interactive == min(interactive, plan.images)


@pytest.mark.parametrize("fixed_ms", [0, 5, 100])
@pytest.mark.parametrize("most", [1, 2, 16])
@pytest.mark.parametrize("sharing", [1, 4])
def test_collections_never_starve(fixed_ms: float, most: int, sharing: int) -> None:
    """While both lanes are full, bulk has its share of the images, and not much more."""
    one = batcher(fixed_ms=fixed_ms, target_ms=5000, most=most)
    queued = Queued(1000, 1000, sharing)
    bulk = images = 0
    for _ in range(100):
        plan = one.plan(queued)
        one.took(plan, queued)
        bulk, images = bulk + plan.bulk, images + plan.images
    assert bulk / images == pytest.approx(BULK_SHARE, abs=0.02)


def test_what_was_taken_by_chance_is_not_owed() -> None:
    """A read takes at most one of each lane at once; that is bulk's share too."""
    one = batcher(most=8, fixed_ms=100, target_ms=5000)
    queued = Queued(100, 100)
    for _ in range(20):
        one.took(Plan(7, 1), queued)
        assert one.plan(queued).bulk == 0


def test_a_lane_that_was_empty_has_no_old_debts() -> None:
    one = batcher(most=8, fixed_ms=100, target_ms=5000)
    for _ in range(10):
        one.took(Plan(8, 0), Queued(100, 100))
    one.took(Plan(8, 0), Queued(100, 0))
    assert one.plan(Queued(100, 100)).bulk == 0


@pytest.mark.parametrize(
    ("fixed_ms", "image_ms", "least", "most"),
    [(0, 10, 1, 1), (0.1, 10, 1, 2), (100, 1, 16, 16), (10, 10, 10, 16)],
)
def test_a_batch_grows_as_long_as_that_pays(
    fixed_ms: float, image_ms: float, least: int, most: int
) -> None:
    assert least <= batcher(fixed_ms, image_ms, 5000).preferred() <= most


@given(costs, st.floats(1, 2000))
def test_the_latency_target_is_kept(cost: tuple[float, float], target: float) -> None:
    """One batch may be in front of it; a batch of one is always allowed."""
    one = batcher(*cost, target, most=512)
    size = one.preferred()
    assert size == 1 or 2 * one.cost.of(size) <= target * (1 + 1e-6)


def test_before_anything_is_measured_it_can_plan() -> None:
    one = Batcher(Cost(), 250, 16)
    assert 1 <= one.plan(Queued(100, 100)).images <= 16


sizes = st.lists(st.integers(1, 64), min_size=2, max_size=60)


@given(st.floats(0, 200), st.floats(0.1, 200), sizes)
def test_the_cost_is_found_where_there_is_no_noise(
    fixed_ms: float, image_ms: float, images: list[int]
) -> None:
    assume(len(set(images)) > 1)
    assume(fixed_ms < 8 * image_ms)  # beyond that the slope is taken for noise
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
