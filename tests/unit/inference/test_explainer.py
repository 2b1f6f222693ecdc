"""A whole explainer: real Redis, real decoder, a real network whose maps can be told by hand."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from common import keys, wire
from common.connections import Keeper
from common.errors import StartError
from common.keys import GROUP
from common.process import Reporter
from inference import consumer as consumer_module
from inference import explainer as explainer_module
from inference import reclaim
from inference.activation_maps import ActivationMaps, scaled
from inference.consumer import Consumer
from inference.decoder import Decoder
from inference.explainer import Explainer, served_digest
from inference.explanations import Explanations
from inference.models.spec import ModelSpec, float16_digest
from inference.publisher import Publisher
from inference.results import Results
from tests.support.colours import (
    CLASSES,
    LABELS,
    RECIPE,
    SHAPE,
    SIDE,
    network,
    plain,
    spoken,
)
from tests.support.pictures import distinct, encoded

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning:keras")

STREAM = keys.explanations("m")
PIXELS = np.random.default_rng(2).integers(0, 256, (1, *SHAPE), np.uint8)
PICTURE = encoded(Image.fromarray(PIXELS[0]), "PNG")
OpenMaps = Callable[[], ActivationMaps]


@pytest.fixture(scope="module")
def maps() -> ActivationMaps:
    return ActivationMaps(network(plain), SHAPE, CLASSES)


class Bench:
    """An explainer, what it is made of, and the other side of Redis."""

    def __init__(self, url: str, open_maps: OpenMaps, *, ttl_s: float = 30) -> None:
        self.redis, self._link, self._blocking = Keeper(url), Keeper(url), Keeper(url)
        self.stop = asyncio.Event()
        self._decoder = Decoder(RECIPE, 1, 10_000, 1_000_000)
        self.consumer = Consumer(
            self._blocking, self._link, "m", "e", {"explain": STREAM}
        )
        results = Results("m", "d1", LABELS, cache=ttl_s > 0)
        explanations = Explanations(
            *(self._link, self._decoder, open_maps, RECIPE, results),
            classes=CLASSES,
            keep_best=True,
        )
        publisher = Publisher(
            *(self._link, self.consumer, "d1"), result_ttl_s=30, cache_ttl_s=ttl_s
        )
        self._explainer = Explainer(
            *(self._link, self.consumer, explanations, results),
            *(publisher, Reporter()),
        )
        self.running: asyncio.Task[None] | None = None
        self._count = 0

    async def start(self) -> None:
        await self._decoder.start()
        await self.consumer.ensure_group()
        self.running = asyncio.create_task(self._explainer.run(self.stop))

    async def add(
        self, image: bytes = PICTURE, rank: int = 1, expires_ms: int = 20_000
    ) -> str:
        """A request on the stream; its id."""
        self._count += 1
        request_id, digest = f"0-{self._count:032x}", hashlib.sha256(image).digest()
        request = wire.Request(1, request_id, digest, expires_ms, top_k=3, explain=rank)
        header = wire.encode(request)
        await self.redis.call("XADD", STREAM, "*", "h", header, "img", image)
        return request_id

    async def ended(self, request_id: str) -> wire.Ended:
        """How a request ended, once it has."""
        async with asyncio.timeout(20):
            while (
                data := await self.redis.call("GET", keys.result(request_id))
            ) is None:
                if self.running is not None and self.running.done():
                    self.running.result()
                await asyncio.sleep(0.005)
        return wire.read_ended(data)

    async def success(self, request_id: str) -> wire.Success:
        ended = await self.ended(request_id)
        assert isinstance(ended, wire.Success), ended
        assert ended.id == request_id
        return ended

    async def code(self, request_id: str) -> str:
        ended = await self.ended(request_id)
        assert isinstance(ended, wire.Failure), ended
        return ended.code

    async def left(self) -> tuple[int, int]:
        """Entries on the stream, and pending."""
        length = await self.redis.call("XLEN", STREAM)
        pending = await self.redis.call("XPENDING", STREAM, GROUP)
        return length, pending[0]

    async def close(self) -> None:
        self.stop.set()
        if self.running is not None:
            await asyncio.wait({self.running}, timeout=10)
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)
        await self._decoder.close()
        for keeper in (self.redis, self._link, self._blocking):
            await keeper.close()


Benches = Callable[..., Bench]


@pytest.fixture
async def benches(
    flushed_redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Benches]:
    """Makes explainers that are not started yet; all goes twenty times as fast as in service."""
    monkeypatch.setattr(consumer_module, "BLOCK_MS", 25)
    monkeypatch.setattr(consumer_module, "BEAT_S", 0.05)
    monkeypatch.setattr(explainer_module, "BEAT_S", 0.05)
    monkeypatch.setattr(consumer_module, "RECLAIM_MS", 150)
    monkeypatch.setattr(reclaim, "RECLAIM_MS", 150)
    made: list[Bench] = []

    def make(open_maps: OpenMaps, **options: Any) -> Bench:
        made.append(Bench(flushed_redis_url, open_maps, **options))
        return made[-1]

    yield make
    for bench in made:
        await bench.close()


@pytest.fixture
async def bench(benches: Benches, maps: ActivationMaps) -> Bench:
    """One that runs."""
    bench = benches(lambda: maps)
    await bench.start()
    return bench


def never() -> ActivationMaps:
    raise AssertionError("it needs no network")


@pytest.mark.parametrize("rank", [1, 2, 3])
async def test_an_answer_has_its_predictions_and_the_map_of_a_rank(
    bench: Bench, maps: ActivationMaps, rank: int
) -> None:
    success = await bench.success(await bench.add(rank=rank))
    row, _ = maps.of(PIXELS, lambda row: 0)
    scores = [one.score for one in success.predictions]
    assert scores == pytest.approx(sorted(row, reverse=True), abs=1e-5)
    place = int(np.argsort(-row)[rank - 1])
    assert success.predictions[rank - 1].label == LABELS[place].label
    look = success.map
    assert look is not None
    assert (look.rank, look.rows, look.columns) == (rank, SIDE, SIDE)
    by_hand = np.frombuffer(scaled(spoken(PIXELS, place)), np.uint8).astype(int)
    found = np.frombuffer(look.values, np.uint8).astype(int)
    assert np.abs(found - by_hand).max() <= 1  # rounding
    assert (look.box, look.method) == ((0, 0, 1, 1), "cam")
    assert success.digest == hashlib.sha256(PICTURE).digest()
    assert (success.cached, success.timing.batch) == (False, 1)
    assert await bench.left() == (0, 0)


async def test_a_map_is_made_once_whatever_its_rank_was(
    bench: Bench, benches: Benches
) -> None:
    """Also for an explainer that has no network yet."""
    first = await bench.success(await bench.add())
    bench.stop.set()
    other = benches(never)
    other._count = 100
    await other.start()
    again = await other.success(await other.add())
    assert again.cached
    assert (again.map, again.predictions) == (first.map, first.predictions)


async def test_the_rank_is_that_of_what_was_answered_before(
    bench: Bench, maps: ActivationMaps
) -> None:
    """Two engines may differ in the order of what is nearly alike; who asks has seen one of them."""
    best = ((2, 0.5), (0, 0.3), (1, 0.2))
    digest = hashlib.sha256(PICTURE).digest()
    answer = wire.encode(wire.Known(1, best))
    await bench.redis.call("SET", keys.cache("d1", digest), answer)
    success = await bench.success(await bench.add(rank=2))
    assert [one.label for one in success.predictions] == ["blue", "red", "green"]
    assert success.map is not None
    _, grid = maps.of(PIXELS, lambda row: 0)
    assert success.map.values == scaled(grid)
    assert await bench.redis.call("GET", keys.cache("d1", digest)) == answer
    assert await bench.redis.call("EXISTS", keys.map_of("d1", digest, 0))


async def test_without_a_cache_nothing_is_kept(
    benches: Benches, maps: ActivationMaps
) -> None:
    bench = benches(lambda: maps, ttl_s=0)
    await bench.start()
    for _ in range(2):
        assert not (await bench.success(await bench.add())).cached
    digest = hashlib.sha256(PICTURE).digest()
    for key in (keys.cache("d1", digest), keys.map_of("d1", digest, 0)):
        assert not await bench.redis.call("EXISTS", key)


@pytest.mark.parametrize("rank", [0, 4, 20])
async def test_a_rank_that_no_category_has_is_refused(bench: Bench, rank: int) -> None:
    assert await bench.code(await bench.add(rank=rank)) == "bad-parameter"


async def test_a_picture_that_is_none_costs_only_itself(bench: Bench) -> None:
    broken = await bench.add(PICTURE[:40])
    none = await bench.add(b"no picture at all")
    good = await bench.add(distinct(PICTURE))
    assert await bench.code(broken) == "broken-image"
    assert await bench.code(none) == "not-an-image"
    assert (await bench.success(good)).map is not None


async def test_what_nobody_waits_for_any_more_is_not_run(
    benches: Benches,
) -> None:
    bench = benches(never)
    late = await bench.add(expires_ms=1)
    await bench.start()
    assert isinstance(await bench.ended(late), wire.Expired)
    assert await bench.left() == (0, 0)


async def test_a_network_that_cannot_be_had_is_tried_once_and_told(
    benches: Benches,
) -> None:
    tries: list[int] = []

    def failing() -> ActivationMaps:
        tries.append(1)
        raise StartError("its weights are missing")

    bench = benches(failing)
    await bench.start()
    for number in range(2):
        picture = PICTURE if number else distinct(PICTURE)
        assert await bench.code(await bench.add(picture)) == "no-explainer"
    assert len(tries) == 1


@pytest.mark.parametrize("deaths", [1, 4])
async def test_what_a_dead_explainer_left_is_taken_over(
    benches: Benches, maps: ActivationMaps, deaths: int
) -> None:
    """Unless too many have died of it."""
    bench = benches(lambda: maps)
    await bench.consumer.ensure_group()
    request_id = await bench.add()
    read = ("XREADGROUP", "GROUP", GROUP, "dead", "STREAMS", STREAM, ">")
    ((_, ((entry_id, _),)),) = await bench.redis.call(*read)
    claim = ("XCLAIM", STREAM, GROUP, "dead", 0, entry_id)
    await bench.redis.call(*claim, "RETRYCOUNT", deaths, "JUSTID")
    await bench.start()
    if deaths == 1:
        assert (await bench.success(request_id)).map is not None
    else:
        assert await bench.code(request_id) == "dead-letter"
    assert await bench.left() == (0, 0)


async def test_what_has_a_result_already_is_not_run_again(benches: Benches) -> None:
    bench = benches(never)
    await bench.consumer.ensure_group()
    request_id = await bench.add()
    await bench.redis.call("XREADGROUP", "GROUP", GROUP, "dead", "STREAMS", STREAM, ">")
    await bench.redis.call("SET", keys.result(request_id), "the first end wins")
    await bench.start()
    async with asyncio.timeout(10):
        while await bench.left() != (0, 0):
            await asyncio.sleep(0.01)
    found = await bench.redis.call("GET", keys.result(request_id))
    assert found == b"the first end wins"


async def test_a_stop_finishes_what_is_in_hand(
    benches: Benches, maps: ActivationMaps
) -> None:
    def opened() -> ActivationMaps:
        bench.stop.set()  # by then the entry has been read
        return maps

    bench = benches(opened)
    await bench.start()
    request_id = await bench.add()
    assert (await bench.success(request_id)).map is not None
    assert bench.running is not None
    async with asyncio.timeout(10):
        await bench.running
    assert not await bench.redis.call("XINFO", "CONSUMERS", STREAM, GROUP)


@pytest.mark.parametrize(
    ("served", "half"),
    [
        ((), False),
        (("whole",), False),
        (("half",), True),
        (("half", "whole"), False),
        (("another",), False),
    ],
)
async def test_maps_go_by_the_digest_of_what_is_answered(
    flushed_redis_url: str, served: tuple[str, ...], half: bool
) -> None:
    spec = ModelSpec("m", "ab" * 16, RECIPE, LABELS, lambda: network(plain))
    digests = {
        "whole": spec.digest,
        "half": float16_digest(spec.digest),
        "another": "cd" * 16,
    }
    link = Keeper(flushed_redis_url)
    for name in served:
        worker = wire.Worker(1, name, "m", digests[name], "tensorflow", 1, 1, 1)
        await link.call("ZADD", keys.workers(), 1, name)
        await link.call("SET", keys.worker(name), wire.encode(worker))
    found = await served_digest(link, "m", spec)
    await link.close()
    assert found == digests["half" if half else "whole"]
