"""Figures from readings: never less than nothing, whoever starts anew, comes or goes."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import wire
from gateway.live_counts import BOUNDS, Counted
from gateway.live_figures import (
    LOST_S,
    PERCENTILES_S,
    STAGES_S,
    Figures,
    Reading,
    gained,
    percentile,
)
from gateway.live_sample import Sample, Shown
from gateway.metrics import ANSWERED_S

counts = st.integers(0, 1000).map(float)
COUNTED = st.builds(
    *(Counted, st.lists(counts, min_size=len(BOUNDS), max_size=len(BOUNDS)).map(tuple)),
    st.dictionaries(st.sampled_from(["busy", "no-file", "queue-full"]), counts),
    *([counts] * 8),
)
WORKERS = st.builds(
    *(wire.Worker, st.just(1), st.sampled_from("abcd"), st.just("m"), st.just("d")),
    *(st.just("litert"), counts, counts, counts),
    st.sampled_from(["idle", "working"]),
    st.integers(0, 1000),
    st.dictionaries(st.integers(1, 16), st.integers(0, 1000)).map(
        lambda batches: tuple(sorted(batches.items()))
    ),
    *(counts, counts, counts, st.integers(0, 1000)),
)
READINGS = st.builds(
    *(Reading, st.floats(0.001, 100), COUNTED),
    st.lists(WORKERS, max_size=4, unique_by=lambda one: one.name).map(tuple),
    st.frozensets(st.sampled_from("abcd")),
    st.dictionaries(st.sampled_from(["interactive", "bulk"]), st.integers(0, 99)),
)


def told(readings: list[Reading]) -> list[Sample]:
    """The samples of readings whose times are steps."""
    figures, now, samples = Figures(), 0.0, []
    for reading in readings:
        now += reading.at
        samples.append(figures.take(replace(reading, at=now), int(now * 1000)))
    return samples


def second(at: float, **counted: object) -> Reading:
    return Reading(at, replace(Counted(), **counted))  # type: ignore[arg-type]


def worker(name: str = "w", **done: object) -> wire.Worker:
    plain = wire.Worker(1, name, "m", "d", "litert", 2.0, 10.0, 80.0)
    return msgspec.structs.replace(plain, **done)


def states(sample: Sample) -> dict[str, str]:
    return {one.name: one.state for one in sample.workers}


@given(st.lists(READINGS, min_size=1, max_size=12))
def test_no_figure_is_ever_negative(readings: list[Reading]) -> None:
    for reading, sample in zip(readings, told(readings), strict=True):
        assert min(sample.rate, sample.asked, sample.cached, sample.shared) >= 0
        assert all(each > 0 for each in sample.errors.values())
        assert all(count > 0 for count in sample.batches.values())
        stages = msgspec.structs.astuple(sample.stages_ms)
        assert min(stages) >= 0
        assert dict(reading.backlog) == sample.backlog
        live = {one.name for one in reading.workers}
        assert live == {
            name for name, state in states(sample).items() if state != "lost"
        }
        if sample.p50_ms is not None:
            assert sample.p99_ms is not None
            assert 0 <= sample.p50_ms <= sample.p99_ms <= 1000 * ANSWERED_S[-1]


@given(READINGS)
def test_the_first_sample_has_nothing_to_be_held_against(reading: Reading) -> None:
    (sample,) = told([reading])
    assert (sample.rate, sample.asked, sample.cached, sample.shared) == (0, 0, 0, 0)
    assert (sample.errors, sample.batches, sample.p50_ms) == ({}, {}, None)


@given(COUNTED, COUNTED)
def test_what_was_added_is_added_again(before: Counted, more: Counted) -> None:
    now = Counted(
        tuple(map(sum, zip(before.answered, more.answered, strict=True))),
        {
            code: before.refused.get(code, 0.0) + more.refused.get(code, 0.0)
            for code in {*before.refused, *more.refused}
        },
        before.fetched + more.fetched,
        before.asked + more.asked,
    )
    found = gained(replace(before, shared=0, known=0), now)
    assert found.answered == more.answered
    assert (found.fetched, found.asked) == (more.fetched, more.asked)
    assert {code: n for code, n in found.refused.items() if n} == {
        code: n for code, n in more.refused.items() if n
    }


def test_a_gateway_that_starts_anew_counts_from_nothing() -> None:
    samples = told([second(0, asked=100.0), second(2, asked=4.0)])
    assert samples[-1].asked == 2


@given(st.lists(counts, min_size=len(BOUNDS), max_size=len(BOUNDS)), st.floats(0.01, 1))
def test_a_percentile_lies_in_the_bucket_of_its_rank(
    answered: list[float], share: float
) -> None:
    found = percentile(answered, share)
    if not sum(answered):
        assert found is None
        return
    assert found is not None
    rank, below, lower = share * sum(answered), 0.0, 0.0
    for count, upper in zip(answered, (*ANSWERED_S, ANSWERED_S[-1]), strict=True):
        if below + count >= rank - 1e-6 and count:
            assert 1000 * lower - 0.01 <= found <= 1000 * upper + 0.01
            return
        below, lower = below + count, upper


def test_percentiles_are_of_the_last_ten_seconds() -> None:
    figures, answered = Figures(), [0.0] * len(BOUNDS)
    for at in range(30):
        answered[0 if at < 15 else 8] += 100
        sample = figures.take(second(at, answered=tuple(answered)), at)
    assert sample.p50_ms is not None
    assert 1000 * ANSWERED_S[7] <= sample.p50_ms <= 1000 * ANSWERED_S[8]
    for more in range(1, int(PERCENTILES_S) + 2):
        sample = figures.take(second(at + more, answered=tuple(answered)), at)
    assert sample.p50_ms is None


def test_rates_are_a_second_whatever_passed() -> None:
    answered = (6.0, *([0.0] * (len(BOUNDS) - 1)))
    later = second(4, answered=answered, fetched=2.0, shared=1.0, refused={"busy": 8.0})
    sample = told([second(0), later])[-1]
    assert (sample.rate, sample.shared, sample.errors) == (2, 0.25, {"busy": 2})


def test_stages_are_means_of_answers() -> None:
    before, after = worker(), worker(
        images=4, queue_ms=40.0, decode_ms=8.0, inference_ms=100.0
    )
    counted = replace(Counted(), uploads=2.0, upload_s=0.01, replies=4.0, reply_s=0.002)
    figures = Figures()
    figures.take(Reading(0, Counted(), [before]), 0)
    stages = figures.take(Reading(1, counted, [after]), 1).stages_ms
    assert msgspec.structs.astuple(stages) == (5, 10, 2, 25, 0.5)
    again = figures.take(Reading(2, counted, [after]), 2).stages_ms
    assert again == stages  # a worker whose beat was missed has not become fast
    nothing = figures.take(Reading(1 + STAGES_S, counted, [after]), 3).stages_ms
    assert msgspec.structs.astuple(nothing) == (0, 0, 0, 0, 0)


def test_batches_and_known_answers_are_those_since_the_last_sample() -> None:
    before = worker(batches=((1, 10), (4, 2)), cached=5)
    after = worker(batches=((1, 11), (2, 3), (4, 2)), cached=7)
    known = replace(Counted(), known=1.0)
    samples = told([Reading(0, Counted(), [before]), Reading(1, known, [after])])
    assert samples[-1].batches == {"1": 1, "2": 3}
    assert samples[-1].cached == 3


def test_a_worker_that_is_new_has_done_nothing_yet() -> None:
    old = worker(batches=((1, 10),), cached=5, images=10)
    samples = told([Reading(0), Reading(1, workers=[old]), Reading(1, workers=[old])])
    assert [one.batches for one in samples] == [{}, {}, {}]
    assert [one.cached for one in samples] == [0, 0, 0]


def test_a_worker_heard_of_no_more_is_lost_for_a_while() -> None:
    here, named = [worker("a"), worker("b")], frozenset("ab")
    figures = Figures()
    figures.take(Reading(0, workers=here, names=named), 0)
    lost = Reading(1, workers=here[:1], names=named)
    assert states(figures.take(lost, 1)) == {"a": "idle", "b": "lost"}
    still = figures.take(replace(lost, at=LOST_S - 1), 2)
    assert states(still) == {"a": "idle", "b": "lost"}
    later = figures.take(replace(lost, at=LOST_S), 3)
    assert states(later) == {"a": "idle"}


def test_a_worker_that_left_in_order_is_not_lost() -> None:
    figures = Figures()
    figures.take(Reading(0, workers=[worker("a")], names=frozenset("a")), 0)
    assert figures.take(Reading(1), 1).workers == ()


def test_a_worker_that_is_back_goes_on_where_it_was() -> None:
    figures, named = Figures(), frozenset("w")
    figures.take(Reading(0, workers=[worker(cached=5)], names=named), 0)
    figures.take(Reading(1, names=named), 1)
    back = figures.take(Reading(2, workers=[worker(cached=7)], names=named), 2)
    assert (back.cached, states(back)) == (2, {"w": "idle"})


def test_a_worker_is_shown_with_what_it_measured() -> None:
    points = ((1, 12.34567), (4, 42.0))
    (sample,) = told([Reading(1, workers=[worker(state="working", points=points)])])
    assert sample.workers == (
        Shown("w", "working", "litert", "m", 2, 10, 80, ((1, 12.346), (4, 42))),
    )


def test_why_redis_is_away_is_told() -> None:
    (sample,) = told([Reading(1, away="Redis does not answer")])
    assert sample.away == "Redis does not answer"


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_what_took_longer_than_the_last_bound_is_that_bound(share: float) -> None:
    slow = [0.0] * len(ANSWERED_S) + [5.0]
    assert percentile(slow, share) == 1000 * ANSWERED_S[-1]
