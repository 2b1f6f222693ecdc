"""What a worker says it has done."""

from hypothesis import given
from hypothesis import strategies as st

from common import wire
from inference.counts import EXACT, STEP, Counts

sizes = st.integers(1, 128)


@given(st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=20)))
def test_sums_are_those_of_the_images(batches: list[list[int]]) -> None:
    counts = Counts()
    for waits in batches:
        counts.ran(len(waits))
        for queue_ms in waits:
            counts.answered(wire.Timing(queue_ms, 2, 3, len(waits)))
    images = sum(map(len, batches))
    assert counts.images == images
    assert counts.queue_ms == sum(map(sum, batches))
    assert (counts.decode_ms, counts.inference_ms) == (2 * images, 3 * images)
    assert sum(count for _, count in counts.batches) == len(batches)


@given(st.lists(sizes))
def test_small_batches_are_counted_by_their_size_and_large_ones_by_steps(
    ran: list[int],
) -> None:
    counts = Counts()
    for size in ran:
        counts.ran(size)
    told = dict(counts.batches)
    for size in range(1, EXACT + 1):
        assert told.get(size, 0) == ran.count(size)
    assert all(size % STEP == 0 for size in told if size > EXACT)
    assert list(told) == sorted(told)


def test_it_works_while_a_batch_runs_and_after_one_that_has_ended() -> None:
    counts = Counts()
    assert counts.state() == "idle"
    counts.begun()
    assert counts.state() == "working"
    counts.answered(wire.Timing())
    counts.ended()
    assert counts.state() == "working"
    assert counts.state() == "idle"
    counts.known(2)
    assert counts.state() == "working"
    assert counts.state() == "idle"
    assert counts.cached == 2


def test_a_beat_is_small_whatever_was_run() -> None:
    counts = Counts()
    for size in range(1, 129):
        for _ in range(70_000):
            counts.ran(size)
    points = tuple((n, 1000 / n) for n in range(100, 116))
    told = wire.Worker(
        *(1, "a-long-name-of-a-host-as-containers-have-it-123456-abcdef", "resnet50"),
        *("d" * 64, "tensorflow", 1.5, 2.5, 99.5, counts.state(), 2**40),
        *(counts.batches, 1e9, 1e9, 1e9, 2**40, points),
    )
    assert len(wire.encode(told)) < 1024
