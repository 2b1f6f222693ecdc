"""The batcher: what it takes is there, fits, pays, and starves nobody."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inference.batcher import AHEAD, BULK_SHARE, QUIET, Batcher, Cost, Plan, Queued
from tests.support.lanes import cost_of

counts = st.integers(0, 500)
workers = st.integers(1, 16)
costs = st.tuples(st.floats(0, 500), st.floats(0.01, 500))


def batcher(
    fixed_ms: float = 1,
    image_ms: float = 10,
    target_ms: float = 250,
    most: int = 16,
    *,
    decode_ms: float = 0,
) -> Batcher:
    return Batcher(cost_of(fixed_ms, image_ms, decode_ms), target_ms, most)


def after_people(one: Batcher) -> Batcher:
    """The batcher once it has had a picture of a person's."""
    one.took(Plan(1, 0), Queued(1, 0))
    return one


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


@given(costs, st.floats(0, 100), st.lists(st.tuples(counts, counts), max_size=20))
def test_a_collection_holds_nobody_up_for_longer_than_one_picture_takes(
    cost: tuple[float, float], decode_ms: float, waiting: list[tuple[int, int]]
) -> None:
    """What fills a batch up keeps it that short, at the decoder as at the engine; but for its share."""
    one = after_people(batcher(*cost, 60_000, 512, decode_ms=decode_ms))
    service_ms = decode_ms + one.cost.of(1)
    for people, bulk in waiting:
        queued = Queued(people, bulk)
        plan = one.plan(queued)
        if plan.bulk and plan.images > 1 and plan.bulk > int(one._bulk_owed):
            assert one.cost.of(plan.images) <= service_ms * (1 + 1e-6)
            assert decode_ms * plan.images <= service_ms * (1 + 1e-6)
        one.took(plan, queued)


@given(costs, st.floats(0, 100), st.integers(1, 500))
def test_a_collection_takes_all_that_fits_into_that_time(
    cost: tuple[float, float], decode_ms: float, bulk: int
) -> None:
    one = after_people(batcher(*cost, 60_000, 512, decode_ms=decode_ms))
    more = one.plan(Queued(0, bulk)).bulk + 1
    service_ms = decode_ms + one.cost.of(1)
    assert (
        more > min(one.preferred(), bulk)
        or one.cost.of(more) > service_ms * (1 - 1e-6)
        or decode_ms * more > service_ms * (1 - 1e-6)
    )


def test_where_an_image_more_costs_little_a_collection_has_large_batches() -> None:
    one = after_people(batcher(5, 0.2, 1000, 64, decode_ms=0.1))
    assert one.plan(Queued(0, 500)).bulk == 1
    one = after_people(batcher(5, 0.2, 1000, 64, decode_ms=3.4))
    assert one.plan(Queued(0, 500)).bulk == 2  # the decoder is what would hold up
    one = after_people(batcher(20, 0.2, 1000, 64, decode_ms=3.4))
    assert one.plan(Queued(0, 500)).bulk == 6


def test_without_people_for_a_while_a_collection_takes_a_few_more() -> None:
    """Twice the time, where that pays; from the first batch on if nobody was ever there."""
    one = batcher(3, 9, decode_ms=3.4)
    assert one.plan(Queued(0, 500)).bulk == 3
    after_people(one)
    for _ in range(QUIET):
        plan = one.plan(Queued(0, 500))
        assert plan == Plan(0, 1)
        one.took(plan, Queued(0, 500))
    assert one.plan(Queued(0, 500)).bulk == 3
    assert one.plan(Queued(1, 500)) == Plan(1, 0)


def test_where_people_are_let_by_it_takes_twice_as_many_then_and_no_more_otherwise() -> (
    None
):
    one = batcher(3, 9, decode_ms=3.4)
    one.lets_by = True
    assert one.plan(Queued(0, 500)).bulk == 6
    after_people(one)
    assert one.plan(Queued(0, 500)).bulk == 1
    assert one.plan(Queued(1, 500)) == Plan(1, 0)


@example((0.0, 1.0), 0.0, 1, 1, [(1, 64)] * 500)
@given(
    costs,
    st.floats(0, 50),
    st.integers(1, 64),
    workers,
    st.lists(st.tuples(st.integers(1, 200), st.integers(64, 200)), min_size=50),
)
def test_bulk_has_its_share_whatever_waits(
    cost: tuple[float, float],
    decode_ms: float,
    most: int,
    sharing: int,
    waiting: list[tuple[int, int]],
) -> None:
    """Over long runs, where it has enough waiting; less only what is owed still."""
    one = batcher(*cost, 1000, most, decode_ms=decode_ms)
    bulk = images = 0
    for people, collected in waiting:
        queued = Queued(people, collected, sharing)
        plan = one.plan(queued)
        one.took(plan, queued)
        bulk, images = bulk + plan.bulk, images + plan.images
    rounding = 1e-6
    assert bulk >= BULK_SHARE * images - 1 - BULK_SHARE * most - rounding


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
    """AHEAD batches may be in front of it; a batch of one is always allowed."""
    one = batcher(*cost, target, most=512)
    size = one.preferred()
    assert size == 1 or (AHEAD + 1) * one.cost.of(size) <= target * (1 + 1e-6)


def test_before_anything_is_measured_it_can_plan() -> None:
    one = Batcher(Cost(), 250, 16)
    assert 1 <= one.plan(Queued(100, 100)).images <= 16
