"""A worker's sign of life, as gateways and other workers read it."""

from collections.abc import AsyncIterator, Callable

import pytest

from common import keys, wire
from common.connections import Keeper
from inference.batcher import Batcher, Cost
from inference.counts import Counts
from inference.models.labels import Label
from inference.pace import Pace
from inference.presence import FORGOTTEN_S, Presence

LABELS = (Label("n1", "dog", "a dog"), Label("", "Straße", "street"))
Presences = Callable[[str], Presence]


@pytest.fixture
async def link(flushed_redis_url: str) -> AsyncIterator[Keeper]:
    link = Keeper(flushed_redis_url)
    yield link
    await link.close()


@pytest.fixture
def batcher() -> Batcher:
    cost = Cost()
    for images in (1, 2, 4):
        cost.measured(images, 2 + 10 * images)
    return Batcher(cost, latency_target_ms=250, max_batch=1)


@pytest.fixture
def presences(link: Keeper, batcher: Batcher) -> Presences:
    def make(name: str) -> Presence:
        told = {"model": "m", "model_digest": "d1", "engine": "litert"}
        return Presence(
            link, batcher, Pace(), Counts(), name=name, labels=LABELS, **told
        )

    return make


async def test_a_beat_says_who_lives_and_how_fast(
    link: Keeper, presences: Presences
) -> None:
    await presences("w").beat()
    seconds, _ = await link.call("TIME")
    score = float(await link.call("ZSCORE", keys.workers(), "w"))
    assert abs(score - int(seconds)) <= 2
    told = wire.read_worker(await link.call("GET", keys.worker("w")))
    assert (told.name, told.model, told.model_digest) == ("w", "m", "d1")
    assert told.engine == "litert"
    assert told.fixed_ms == pytest.approx(2)
    assert told.image_ms == pytest.approx(10)
    assert told.images_per_s == pytest.approx(1000 / 12)
    assert 0 < await link.call("PTTL", keys.worker("w")) <= 5000


async def test_a_beat_says_what_was_measured_since(
    link: Keeper, presences: Presences, batcher: Batcher
) -> None:
    presence = presences("w")
    await presence.beat()
    for _ in range(500):
        batcher.cost.measured(1, 100)
    await presence.beat()
    told = wire.read_worker(await link.call("GET", keys.worker("w")))
    assert told.images_per_s == pytest.approx(10, rel=0.01)


async def test_a_beat_says_what_was_done(link: Keeper, batcher: Batcher) -> None:
    counts = Counts()
    told = {"model": "m", "model_digest": "d1", "engine": "litert"}
    presence = Presence(link, batcher, Pace(), counts, name="w", labels=LABELS, **told)
    await presence.beat()
    for size in (1, 1, 3):
        counts.ran(size)
        for _ in range(size):
            counts.answered(wire.Timing(4.0, 2.0, 30.0, size))
    counts.known(7)
    await presence.beat()
    found = wire.read_worker(await link.call("GET", keys.worker("w")))
    assert (found.state, found.images, found.cached) == ("working", 5, 7)
    assert found.batches == ((1, 2), (3, 1))
    assert (found.queue_ms, found.decode_ms, found.inference_ms) == (20, 10, 150)
    assert [size for size, _ in found.points] == [1, 2, 4]
    assert all(ms == pytest.approx(2 + 10 * size) for size, ms in found.points)
    await presence.beat()
    found = wire.read_worker(await link.call("GET", keys.worker("w")))
    assert (found.state, found.images) == ("idle", 5)


async def test_workers_count_those_that_live(
    link: Keeper, presences: Presences
) -> None:
    one, two = presences("one"), presences("two")
    assert one.workers == 1
    await one.beat()
    await two.beat()
    await one.beat()
    assert (one.workers, two.workers) == (2, 2)
    seconds, _ = await link.call("TIME")
    await link.call("ZADD", keys.workers(), int(seconds) - 6, "two")
    await one.beat()
    assert one.workers == 1


async def test_the_long_dead_are_forgotten(link: Keeper, presences: Presences) -> None:
    seconds, _ = await link.call("TIME")
    ages = {"lately": FORGOTTEN_S - 10, "long": FORGOTTEN_S + 10}
    for name, age in ages.items():
        await link.call("ZADD", keys.workers(), int(seconds) - age, name)
    await presences("w").beat()
    assert await link.call("ZRANGE", keys.workers(), 0, -1) == [b"lately", b"w"]


async def test_the_categories_are_written_once_and_again_after_a_flush(
    link: Keeper, presences: Presences
) -> None:
    presence, name = presences("w"), keys.labels("d1")
    await presence.beat()
    labels = wire.read_labels(await link.call("GET", name))
    assert labels == tuple(
        wire.Label(one.wnid, one.label, one.description) for one in LABELS
    )
    await link.call("SET", name, "another wrote them")
    await presence.beat()
    assert await link.call("GET", name) == b"another wrote them"
    await link.call("FLUSHALL")
    await presence.beat()
    assert wire.read_labels(await link.call("GET", name)) == labels


async def test_who_leaves_is_not_counted_on(link: Keeper, presences: Presences) -> None:
    await presences("stays").beat()
    leaving = presences("leaves")
    await leaving.beat()
    await leaving.leave()
    assert await link.call("ZRANGE", keys.workers(), 0, -1) == [b"stays"]
    assert await link.call("EXISTS", keys.worker("leaves")) == 0
