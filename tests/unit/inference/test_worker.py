"""A whole worker but for its network: real Redis, real decoder, a network that knows colours."""

import asyncio
import hashlib
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from common import keys, wire
from common.connections import Keeper
from common.errors import PictorError
from common.keys import GROUP, Lane
from common.link import Command, LinkLost, ReplyError
from common.process import Reporter
from inference import consumer as consumer_module
from inference import engine_threads, reclaim
from inference import worker as worker_module
from inference.ahead import Ahead
from inference.batcher import Batcher, Cost
from inference.batches import Batches
from inference.consumer import Consumer
from inference.counts import Counts
from inference.decoder import Decoder
from inference.models.labels import Label
from inference.models.preprocessing import Preprocessing
from inference.pace import Pace
from inference.presence import Presence
from inference.publisher import Publisher
from inference.results import Results
from inference.stages import Stages
from inference.worker import Worker
from tests.support.pictures import distinct, encoded
from tests.support.server import Server

RECIPE = Preprocessing(height=8, width=8, crop=1.0)
LABELS = tuple(Label("", name, name) for name in ("red", "green", "blue"))
RED, GREEN, BLUE = (
    encoded(Image.new("RGB", (9, 9), colour), "PNG")
    for colour in ("red", "lime", "blue")
)
BLACK = encoded(Image.new("RGB", (9, 9)), "PNG")
NOISE = encoded(Image.effect_noise((64, 64), 90), "PNG")
INTERACTIVE, BULK = keys.requests("m", "interactive"), keys.requests("m", "bulk")


@dataclass
class Colours:
    """A network of three categories; it fails on a batch with a black picture in it.

    Attributes:
        seen: for each batch, the categories that it answered, in order.
        go: it waits for this before each batch.
    """

    name: str = "colours"
    classes: int = 3
    seen: list[list[int]] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.go.set()

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.begun.set()
        self.go.wait(20)
        means = images.mean((1, 2))
        if not means.sum(1).all():
            raise PictorError("nothing to see")
        self.seen.append([int(n) for n in means.argmax(1)])
        return np.asarray(means / means.sum(1, keepdims=True), np.float32)

    def close(self) -> None:
        pass


class Cut(Keeper):
    """A connection that is lost once, at its n-th write or after the reply to that."""

    def __init__(self, url: str, at: int = 0, *, answered: bool = False) -> None:
        super().__init__(url)
        self.left, self._answered = at, answered

    async def replies(self, commands: Iterable[Command]) -> list[Any]:
        self.left -= 1
        if self.left:
            return await super().replies(commands)
        if self._answered:
            await super().replies(commands)
        self.drop()
        raise LinkLost("cut")


class Lossy(Keeper):
    """A connection that is lost whenever the cache is asked, for a number of times."""

    losses = 5

    async def replies(self, commands: Iterable[Command]) -> list[Any]:
        commands = tuple(commands)
        if self.losses and commands[0][0] == "MGET":
            self.losses -= 1
            self.drop()
            raise LinkLost("cut")
        return await super().replies(commands)


class Stopping(Lossy):
    """A connection that is lost when the cache is asked, once, as the worker is told to stop."""

    losses = 1
    stop: asyncio.Event

    async def replies(self, commands: Iterable[Command]) -> list[Any]:
        try:
            return await super().replies(commands)
        except LinkLost:
            self.stop.set()
            raise


Benches = Callable[..., "Bench"]


class Bench:
    """A worker, what it is made of, and the other side of Redis."""

    def __init__(
        self,
        url: str,
        *,
        max_batch: int = 8,
        link: Keeper | None = None,
        beside: bool = True,
    ) -> None:
        self.redis, self._blocking = Keeper(url), Keeper(url)
        self.link = link or Keeper(url)
        self.engine, self.stop = Colours(), asyncio.Event()
        self.decoder = Decoder(RECIPE, max_batch + 2, 10_000, 1_000_000)
        consumer = Consumer(self._blocking, self.link, "m", "w")
        cost = Cost()
        for images in (1, 2, 4):
            cost.measured(images, 50 + images)
        batcher = Batcher(cost, 5000, max_batch, lets_by=not beside)
        results = Results("m", "d1", LABELS, cache=True)
        pace, ahead = Pace(), Ahead(cost, beside=beside)
        counts = Counts()
        self.stages = Stages(
            *(self.link, consumer, batcher),
            Batches(self.link, self.decoder, self.engine, results, cost, ahead, counts),
            Publisher(self.link, consumer, "d1", result_ttl_s=30, cache_ttl_s=30),
            Presence(
                *(self.link, batcher, pace, counts),
                name="w",
                model="m",
                model_digest="d1",
                engine="colours",
                labels=LABELS,
            ),
            *(results, Reporter(), pace, ahead),
        )
        self.running: asyncio.Task[None] | None = None
        self._count = 0

    async def start(self) -> None:
        await self.decoder.start()
        await self.stages.consumer.ensure_group()
        self.running = asyncio.create_task(Worker(self.stages).run(self.stop))

    async def add(
        self,
        image: bytes,
        lane: Lane = "interactive",
        expires_ms: int = 20_000,
        *,
        phash: bool = False,
    ) -> str:
        """A request on its stream; its id."""
        self._count += 1
        request_id, digest = f"0-{self._count:032x}", hashlib.sha256(image).digest()
        request = wire.Request(1, request_id, digest, expires_ms, phash=phash)
        header = wire.encode(request)
        stream = keys.requests("m", lane)
        await self.redis.call("XADD", stream, "*", "h", header, "img", image)
        return request_id

    async def result(self, request_id: str) -> wire.Ended:
        """How a request ended, once it has; a worker that ended first is an error."""
        async with asyncio.timeout(10):
            while (
                data := await self.redis.call("GET", keys.result(request_id))
            ) is None:
                if self.running is not None and self.running.done():
                    self.running.result()
                await asyncio.sleep(0.005)
        return wire.read_ended(data)

    async def label(self, request_id: str) -> str:
        """The best category of a request that must succeed."""
        ended = await self.result(request_id)
        assert isinstance(ended, wire.Success)
        assert ended.id == request_id
        return ended.predictions[0].label

    async def empty(self) -> None:
        """Returns once nothing is on a stream or pending."""
        for stream in (INTERACTIVE, BULK):
            await until(lambda s=stream: self._empty(s))  # type: ignore[misc]

    async def _empty(self, stream: str) -> bool:
        pending = await self.redis.call("XPENDING", stream, GROUP)
        return not pending[0] and not await self.redis.call("XLEN", stream)

    async def finish(self) -> None:
        """Stops the worker, which must end well."""
        assert self.running is not None
        self.stop.set()
        async with asyncio.timeout(10):
            await self.running

    async def close(self) -> None:
        self.stop.set()
        self.engine.go.set()
        if self.running is not None:
            await asyncio.wait({self.running}, timeout=5)
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)
        await self.decoder.close()
        for keeper in (self.redis, self.link, self._blocking):
            await keeper.close()


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in service, twenty times as fast."""
    monkeypatch.setattr(consumer_module, "BLOCK_MS", 25)
    monkeypatch.setattr(consumer_module, "BEAT_S", 0.05)
    monkeypatch.setattr(worker_module, "BEAT_S", 0.05)
    monkeypatch.setattr(consumer_module, "RECLAIM_MS", 150)
    monkeypatch.setattr(reclaim, "RECLAIM_MS", 150)


@pytest.fixture
async def benches(flushed_redis_url: str) -> AsyncIterator[Callable[..., Bench]]:
    """Makes workers that are not started yet, each with options of its own."""
    made: list[Bench] = []

    def make(url: str = flushed_redis_url, **options: Any) -> Bench:
        made.append(Bench(url, **options))
        return made[-1]

    yield make
    for bench in made:
        await bench.close()


@pytest.fixture
async def bench(benches: Benches) -> Bench:
    """A worker that runs."""
    bench = benches()
    await bench.start()
    return bench


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that a test may fill or kill."""
    with Server() as server:
        yield server


async def test_every_request_has_its_own_answer(bench: Bench) -> None:
    images = [RED, GREEN, BLUE] * 10
    ids = [await bench.add(distinct(image)) for image in images]
    assert [await bench.label(one) for one in ids] == ["red", "green", "blue"] * 10
    await bench.empty()
    assert max(len(batch) for batch in bench.engine.seen) <= 8


async def test_an_answer_says_where_its_time_went(bench: Bench) -> None:
    ended = await bench.result(await bench.add(RED))
    assert isinstance(ended, wire.Success)
    assert ended.timing.batch == 1
    assert ended.timing.queue_ms >= 0
    assert ended.timing.decode_ms > 0
    assert ended.timing.inference_ms > 0
    assert ended.predictions[0].label == "red"
    assert (ended.model, ended.model_digest, ended.cached) == ("m", "d1", False)


async def test_what_need_not_be_run_ends_beside_what_is(bench: Bench) -> None:
    bench.engine.go.clear()
    held = await bench.add(BLUE)
    await asyncio.to_thread(bench.engine.begun.wait, 10)
    text, cut = await bench.add(b"no image"), await bench.add(NOISE[:2000])
    late, good = await bench.add(distinct(RED), expires_ms=0), await bench.add(GREEN)
    bench.engine.go.set()
    assert isinstance(await bench.result(late), wire.Expired)
    for one, code in ((text, "not-an-image"), (cut, "broken-image")):
        ended = await bench.result(one)
        assert isinstance(ended, wire.Failure)
        assert ended.code == code
    assert [await bench.label(one) for one in (held, good)] == ["blue", "green"]
    await bench.empty()


async def test_an_image_on_which_the_network_fails_costs_no_other(bench: Bench) -> None:
    bench.engine.go.clear()
    first = await bench.add(BLUE)
    await asyncio.to_thread(bench.engine.begun.wait, 10)
    ids = [await bench.add(image) for image in (RED, BLACK, GREEN)]
    bench.engine.go.set()
    assert await bench.label(first) == "blue"
    assert await bench.label(ids[0]) == "red"
    assert await bench.label(ids[2]) == "green"
    assert isinstance(await bench.result(ids[1]), wire.Failure)


async def test_equal_images_are_run_once_and_answered_each(bench: Bench) -> None:
    bench.engine.go.clear()
    first = await bench.add(BLUE)
    await asyncio.to_thread(bench.engine.begun.wait, 10)
    ids = [await bench.add(RED) for _ in range(5)]
    bench.engine.go.set()
    assert [await bench.label(one) for one in ids] == ["red"] * 5
    assert await bench.label(first) == "blue"
    assert sum(batch.count(0) for batch in bench.engine.seen) <= 2  # two reads at most


async def test_what_was_answered_before_is_not_run_again(bench: Bench) -> None:
    await bench.label(await bench.add(RED))
    runs = len(bench.engine.seen)
    again = await bench.result(await bench.add(RED))
    assert isinstance(again, wire.Success)
    assert again.cached
    assert len(bench.engine.seen) == runs


@pytest.mark.parametrize("most", [1, 4])
async def test_no_batch_is_larger_than_allowed(benches: Benches, most: int) -> None:
    """Also when both lanes have work."""
    bench = benches(max_batch=most)
    lanes: tuple[Lane, Lane] = ("interactive", "bulk")
    ids = [await bench.add(distinct(RED), lane) for _ in range(6) for lane in lanes]
    await bench.start()
    assert [await bench.label(one) for one in ids] == ["red"] * 12
    await bench.finish()
    assert max(len(batch) for batch in bench.engine.seen) <= most


async def test_what_decoding_takes_is_known_to_the_batcher(benches: Benches) -> None:
    bench = benches()
    assert bench.stages.batcher.cost.decode_ms == 0
    await bench.start()
    assert await bench.label(await bench.add(RED)) == "red"
    assert bench.stages.batcher.cost.decode_ms > 0
    await bench.finish()


async def test_people_go_before_collections(benches: Benches) -> None:
    """While both lanes have work, a tenth is bulk's; half would be no first and second."""
    bench = benches(max_batch=1)
    ids = [await bench.add(distinct(BLUE), "bulk") for _ in range(20)]
    ids += [await bench.add(distinct(RED)) for _ in range(20)]
    await bench.start()
    for one in ids:
        await bench.label(one)
    await bench.finish()
    order = [answer for batch in bench.engine.seen for answer in batch]
    last_red = max(place for place, answer in enumerate(order) if answer == 0)
    assert 1 <= order[:last_red].count(2) <= 6


async def test_people_who_come_unexpected_do_not_wait_for_a_collection_that_was_read(
    benches: Benches,
) -> None:
    """Nobody was there at the last look, so the next batch was planned without people."""
    bench = benches(beside=False)
    bench.engine.go.clear()
    collection = [await bench.add(distinct(BLUE), "bulk") for _ in range(20)]
    await bench.start()
    await asyncio.to_thread(bench.engine.begun.wait, 10)
    person = await bench.add(distinct(RED))
    bench.engine.go.set()
    assert await bench.label(person) == "red"
    assert [await bench.label(one) for one in collection] == ["blue"] * 20
    await bench.finish()
    order = [answer for batch in bench.engine.seen for answer in batch]
    # What the engine had, at most what was read in the same moment, and then the person.
    assert order.index(0) <= 2 * max(len(batch) for batch in bench.engine.seen)


def during_decoding(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, what: Callable[[], Awaitable[object]]
) -> None:
    """Something happens while the next batch is decoded."""
    decode = bench.decoder.decode

    async def decoded(images: Any) -> Any:
        monkeypatch.setattr(bench.decoder, "decode", decode)
        await what()
        return await decode(images)

    monkeypatch.setattr(bench.decoder, "decode", decoded)


async def test_people_go_before_a_collection_that_is_being_decoded(
    benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not there were any before."""
    bench = benches(beside=False, max_batch=1)
    await bench.start()
    people: list[str] = []

    async def come() -> None:
        people.append(await bench.add(distinct(RED)))

    seen = []
    for _ in range(2):
        during_decoding(bench, monkeypatch, come)
        collection = await bench.add(distinct(BLUE), "bulk")
        assert await bench.label(collection) == "blue"
        assert await bench.label(people[-1]) == "red"
        seen.append([answer for (answer,) in bench.engine.seen])
        bench.engine.seen.clear()
    assert seen == [[0, 2], [0, 2]]
    await bench.finish()


@pytest.mark.parametrize("answered", [False, True], ids=["unsent", "unanswered"])
@pytest.mark.parametrize("at", range(1, 5))
async def test_a_connection_lost_while_people_are_let_by_loses_nobody(
    benches: Benches,
    flushed_redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    at: int,
    answered: bool,
) -> None:
    cut = Cut(flushed_redis_url, answered=answered)
    bench = benches(link=cut, beside=False, max_batch=2)
    await bench.start()
    assert await bench.label(await bench.add(distinct(GREEN))) == "green"
    ids: list[str] = []

    async def come() -> None:
        ids.extend([await bench.add(distinct(RED)) for _ in range(3)])
        cut.left = at

    during_decoding(bench, monkeypatch, come)
    collection = [await bench.add(distinct(BLUE), "bulk") for _ in range(3)]
    assert [await bench.label(one) for one in collection] == ["blue"] * 3
    assert [await bench.label(one) for one in ids] == ["red"] * 3
    await bench.empty()
    await bench.finish()
    if not answered:  # nothing had happened, so nothing has happened twice
        assert sum(map(len, bench.engine.seen)) == 7


async def test_of_people_who_are_let_by_those_who_need_no_engine_hold_up_none(
    benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = benches(beside=False, max_batch=2)
    await bench.start()
    known = distinct(GREEN)
    assert await bench.label(await bench.add(known)) == "green"
    people: list[str] = []

    async def come() -> None:
        people.extend([await bench.add(known), await bench.add(distinct(RED))])

    during_decoding(bench, monkeypatch, come)
    collection = await bench.add(distinct(BLUE), "bulk")
    assert await bench.label(collection) == "blue"
    assert [await bench.label(one) for one in people] == ["green", "red"]
    await bench.finish()
    assert bench.engine.seen == [[1], [0], [2]]


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness there")
async def test_a_collection_is_computed_behind_all_others(
    benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = benches(beside=False)
    niceness: list[int] = []
    run = bench.engine.run

    def noted(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return run(images)

    monkeypatch.setattr(bench.engine, "run", noted)
    await bench.start()
    for lane in ("interactive", "bulk", "interactive"):
        await bench.label(await bench.add(distinct(RED), lane))  # type: ignore[arg-type]
    await bench.finish()
    here = os.getpriority(os.PRIO_PROCESS, 0)
    assert niceness == [here, min(here + engine_threads.NICENESS, 19), here]


async def test_without_cores_to_decode_on_engine_and_decoder_take_turns(
    benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = benches(beside=False)
    decode, decoding = bench.decoder.decode, asyncio.Event()

    async def noted(images: Any) -> Any:
        decoding.set()
        return await decode(images)

    monkeypatch.setattr(bench.decoder, "decode", noted)
    await bench.start()
    bench.engine.go.clear()
    first = await bench.add(distinct(RED))
    await asyncio.to_thread(bench.engine.begun.wait, 10)
    decoding.clear()
    second = await bench.add(distinct(GREEN))
    # It is read at once, for all that is known takes longer than it should have.
    await until(lambda: taken(bench, 2))
    assert not decoding.is_set()
    bench.engine.go.set()
    assert [await bench.label(first), await bench.label(second)] == ["red", "green"]
    assert decoding.is_set()
    await bench.finish()


async def taken(bench: Bench, entries: int) -> bool:
    """Whether so many have been read and have not ended."""
    return (await bench.redis.call("XPENDING", INTERACTIVE, GROUP))[0] == entries


async def test_what_a_network_sees_too_small_for_a_perceptual_hash_has_none(
    bench: Bench,
) -> None:
    """Eight pixels by eight, here."""
    ended = await bench.result(await bench.add(distinct(NOISE), phash=True))
    assert isinstance(ended, wire.Success)
    assert not ended.phash


@pytest.mark.parametrize("answered", [False, True], ids=["unsent", "unanswered"])
@pytest.mark.parametrize("at", range(3, 11))
async def test_whenever_the_connection_is_lost_every_request_ends(
    benches: Benches, flushed_redis_url: str, at: int, answered: bool
) -> None:
    """Whatever was being done with it: reading, looking up, ending, beating."""
    bench = benches(link=Cut(flushed_redis_url, at, answered=answered))
    images = [distinct(image) for image in (RED, GREEN, BLUE)]
    ids = [await bench.add(image) for image in images]
    await bench.start()
    assert [await bench.label(one) for one in ids] == ["red", "green", "blue"]
    await bench.empty()
    await bench.finish()


@pytest.mark.parametrize("answered", [False, True], ids=["unsent", "unanswered"])
@pytest.mark.parametrize("at", range(1, 9))
async def test_a_connection_lost_while_taking_over_leaves_nothing_behind(
    benches: Benches, flushed_redis_url: str, at: int, answered: bool
) -> None:
    """Neither an entry nor the worker's two hands: it goes on afterwards."""
    cut = Cut(flushed_redis_url, answered=answered)
    bench = benches(link=cut)
    await bench.stages.consumer.ensure_group()
    ids = [await bench.add(distinct(RED)), await bench.add(distinct(RED))]
    await bench.redis.call(
        "SET", keys.result(ids[0]), wire.encode(wire.Expired(1, ids[0], ""))
    )
    await died(bench, 2)
    bench.stages.consumer.orphans = True
    await until(lambda: idle(bench))
    await bench.start()
    cut.left = at
    assert await bench.label(ids[1]) == "red"
    await bench.empty()
    after = [await bench.add(distinct(GREEN)) for _ in range(4)]
    assert [await bench.label(one) for one in after] == ["green"] * 4
    await bench.finish()


async def died(bench: Bench, count: int, name: str = "dead") -> None:
    """A worker reads entries and is not heard of again."""
    group = ("GROUP", GROUP, name, "COUNT", count, "STREAMS", INTERACTIVE, ">")
    await bench.redis.call("XREADGROUP", *group)


async def idle(bench: Bench) -> bool:
    """Whether an entry can be taken over."""
    ask = ("XPENDING", INTERACTIVE, GROUP, "IDLE", reclaim.RECLAIM_MS, "-", "+", 1)
    return bool(await bench.redis.call(*ask))


async def test_what_a_dead_worker_held_is_run_alone(benches: Benches) -> None:
    bench = benches()
    await bench.stages.consumer.ensure_group()
    ids = [await bench.add(distinct(RED)) for _ in range(3)]
    await died(bench, 3)
    await bench.start()
    assert [await bench.label(one) for one in ids] == ["red"] * 3
    await bench.empty()
    assert bench.engine.seen == [[0], [0], [0]]


async def test_nothing_is_taken_over_while_a_batch_is_in_hand(benches: Benches) -> None:
    """If the engine died of it, the batch would have a death that is not its own."""
    bench = benches()
    await bench.stages.consumer.ensure_group()
    orphan = await bench.add(GREEN)
    read = ("XREADGROUP", "GROUP", GROUP, "dead", "STREAMS", INTERACTIVE)
    await bench.redis.call(*read, ">")
    mine = await bench.add(RED)
    bench.engine.go.clear()
    await bench.start()
    await asyncio.to_thread(bench.engine.begun.wait, 10)

    async def noticed() -> bool:
        return bench.stages.consumer.orphans

    await until(noticed)
    await asyncio.sleep(0.2)
    rows = await bench.redis.call("XPENDING", INTERACTIVE, GROUP, "-", "+", 10)
    assert sorted((row[1], row[3]) for row in rows) == [(b"dead", 1), (b"w", 1)]
    bench.engine.go.set()
    assert (await bench.label(mine), await bench.label(orphan)) == ("red", "green")
    assert bench.engine.seen == [[0], [1]]


async def test_what_has_a_result_already_is_only_acknowledged(benches: Benches) -> None:
    """Its worker died between the result and the acknowledgement of an older release."""
    bench = benches()
    await bench.stages.consumer.ensure_group()
    done, other = await bench.add(RED), await bench.add(GREEN)
    await died(bench, 2)
    ended = wire.Expired(wire.VERSION, done, "")
    await bench.redis.call("SET", keys.result(done), wire.encode(ended))
    await bench.start()
    assert await bench.label(other) == "green"
    await bench.empty()
    assert await bench.result(done) == ended
    assert bench.engine.seen == [[1]]


async def test_an_image_that_ended_three_workers_is_given_up(benches: Benches) -> None:
    """It is noted, and nobody dies of it again."""
    bench = benches()
    await bench.stages.consumer.ensure_group()
    poison, good = await bench.add(RED), await bench.add(GREEN)
    await died(bench, 2, "first")
    row, *_ = await bench.redis.call("XPENDING", INTERACTIVE, GROUP, "-", "+", 1)
    for number in range(3):
        claim = ("XCLAIM", INTERACTIVE, GROUP, f"alone{number}", 0, row[0])
        await bench.redis.call(*claim)
    await bench.start()
    ended = await bench.result(poison)
    assert isinstance(ended, wire.Failure)
    assert ended.code == "dead-letter"
    assert await bench.label(good) == "green"
    assert await bench.redis.call("XLEN", keys.dead()) == 1
    assert bench.engine.seen == [[1]]


async def test_an_image_is_not_blamed_for_lost_connections(
    benches: Benches, flushed_redis_url: str
) -> None:
    """Only workers that died while it was all they held count against it."""
    bench = benches(link=Lossy(flushed_redis_url))
    await bench.start()
    assert await bench.label(await bench.add(RED)) == "red"


async def test_a_stop_after_a_flush_is_a_good_end(bench: Bench) -> None:
    await bench.label(await bench.add(RED))
    await bench.redis.call("FLUSHALL")
    await bench.finish()


async def test_after_a_flush_it_works_on(bench: Bench) -> None:
    await bench.label(await bench.add(RED))
    await bench.redis.call("FLUSHALL")
    assert await bench.label(await bench.add(GREEN)) == "green"


async def test_without_memory_in_redis_it_waits_and_works_on(
    benches: Benches, own_server: Server
) -> None:
    """Results are kept, and the worker lives: what it held is not run again."""
    bench = benches(own_server.url)
    bench.engine.go.clear()
    await bench.start()
    one = await bench.add(RED)
    await asyncio.to_thread(bench.engine.begun.wait, 10)
    await bench.redis.call("XADD", INTERACTIVE, "*", "no", "request")
    await bench.redis.call("CONFIG", "SET", "maxmemory", "1")
    bench.engine.go.set()

    async def refused() -> bool:
        info = await bench.redis.call("INFO", "errorstats")
        count = info.partition(b"errorstat_OOM:count=")[2].split()
        return bool(count) and int(count[0]) >= 6

    await until(refused)
    await bench.redis.call("CONFIG", "SET", "maxmemory", "0")
    assert await bench.label(one) == "red"
    assert bench.engine.seen == [[0]]
    await bench.empty()
    await bench.finish()


async def test_a_link_that_is_refused_for_a_while_loses_no_finished_result(
    benches: Benches, own_server: Server
) -> None:
    """As while the server has all the clients that it takes."""
    bench = benches(own_server.url, link=Keeper(own_server.url, name="kept"))
    bench.engine.go.clear()
    await bench.start()
    one = await bench.add(RED)
    await asyncio.to_thread(bench.engine.begun.wait, 10)
    await bench.redis.call("CONFIG", "SET", "requirepass", "hunter2")
    bench.link.drop()
    bench.engine.go.set()

    async def refused() -> bool:
        info = await bench.redis.call("INFO", "errorstats")
        count = info.partition(b"errorstat_NOAUTH:count=")[2].split()
        return bool(count) and int(count[0]) >= 3

    await until(refused)
    await bench.redis.call("CONFIG", "SET", "requirepass", "")
    assert await bench.label(one) == "red"
    assert bench.engine.seen == [[0]]
    await bench.finish()


async def test_it_survives_that_redis_starts_again(
    benches: Benches, own_server: Server
) -> None:
    """Here without a file: what was there is lost, and the next request is answered."""
    bench = benches(own_server.url)
    await bench.start()
    await bench.label(await bench.add(RED))
    own_server.process.send_signal(signal.SIGKILL)
    own_server.process.wait()
    await asyncio.to_thread(own_server.start)
    await until(lambda: listening(bench))
    assert await bench.label(await bench.add(GREEN)) == "green"
    await bench.finish()


async def listening(bench: Bench) -> bool:
    """Whether Redis answers and the worker is in its group."""
    try:
        return bool(await bench.redis.call("XINFO", "CONSUMERS", INTERACTIVE, GROUP))
    except (LinkLost, ReplyError):
        return False


async def test_a_stop_finishes_what_is_in_hand_and_leaves_the_rest(
    benches: Benches,
) -> None:
    bench = benches(max_batch=1)
    bench.engine.go.clear()
    ids = [await bench.add(distinct(RED)) for _ in range(6)]
    await bench.start()
    await asyncio.to_thread(bench.engine.begun.wait, 10)
    bench.stop.set()
    bench.engine.go.set()
    await bench.finish()
    ended = [await bench.redis.call("EXISTS", keys.result(one)) for one in ids]
    assert ended == sorted(ended, reverse=True)
    assert 1 <= sum(ended) <= 3
    assert await bench.redis.call("XLEN", INTERACTIVE) == 6 - sum(ended)
    assert (await bench.redis.call("XPENDING", INTERACTIVE, GROUP))[0] == 0
    assert await bench.redis.call("XINFO", "CONSUMERS", INTERACTIVE, GROUP) == []
    assert await bench.redis.call("ZCARD", keys.workers()) == 0


async def test_a_stop_runs_what_was_read_but_not_begun(
    benches: Benches, flushed_redis_url: str
) -> None:
    """When the connection is lost in between; nobody else has to wait for three missed beats."""
    link = Stopping(flushed_redis_url)
    lossy = benches(link=link)
    link.stop = lossy.stop
    await lossy.start()
    request_id = await lossy.add(RED)
    assert lossy.running is not None
    async with asyncio.timeout(10):
        await lossy.running
    assert await lossy.redis.call("EXISTS", keys.result(request_id))


async def test_what_is_withdrawn_while_it_waits_for_the_engine_is_not_run(
    benches: Benches,
) -> None:
    bench = benches(max_batch=1)
    bench.engine.go.clear()
    first, second = await bench.add(RED), await bench.add(GREEN)
    await bench.start()
    held = bench.stages.consumer._held[INTERACTIVE]

    async def holds(count: int) -> bool:
        return len(held) == count

    await until(lambda: holds(2))  # one with the engine, one decoded ahead
    ((entry_id, _),) = (await bench.redis.call("XRANGE", INTERACTIVE, "-", "+"))[1:]
    await bench.redis.call("XACK", INTERACTIVE, GROUP, entry_id)
    await bench.redis.call("XDEL", INTERACTIVE, entry_id)
    await until(lambda: holds(1))  # the next beat has noticed
    bench.engine.go.set()
    assert await bench.label(first) == "red"
    third = await bench.add(BLUE)
    assert await bench.label(third) == "blue"
    assert bench.engine.seen == [[0], [2]]
    assert not await bench.redis.call("EXISTS", keys.result(second))


async def test_a_worker_with_a_bug_ends_and_holds_nothing(bench: Bench) -> None:
    """The next one starts clean and takes over."""
    bench.stages.batches.close()  # its thread takes no more work
    await bench.add(RED)
    assert bench.running is not None
    with pytest.raises(RuntimeError):
        async with asyncio.timeout(10):
            await bench.running


async def test_a_broken_engine_ends_its_worker_and_blames_no_image(
    bench: Bench,
) -> None:
    """What fails on noise as well is not the image's fault; the next process may do better."""

    def fail(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise PictorError("the device is gone")

    bench.engine.run = fail  # type: ignore[method-assign]
    request_id = await bench.add(RED)
    assert bench.running is not None
    with pytest.raises(PictorError, match="device"):
        async with asyncio.timeout(10):
            await bench.running
    assert await bench.redis.call("EXISTS", keys.result(request_id)) == 0
    assert await bench.redis.call("XLEN", INTERACTIVE) == 1


async def test_a_broken_engine_takes_over_one_entry_and_no_more(
    benches: Benches,
) -> None:
    """Each that a dying worker has claimed counts a death; only one was run."""
    bench = benches()
    await bench.stages.consumer.ensure_group()
    for _ in range(3):
        await bench.add(distinct(RED))
    read = ("XREADGROUP", "GROUP", GROUP, "dead", "COUNT", 3, "STREAMS", INTERACTIVE)
    await bench.redis.call(*read, ">")

    def fail(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise PictorError("the device is gone")

    bench.engine.run = fail  # type: ignore[method-assign]
    await bench.start()
    assert bench.running is not None
    with pytest.raises(PictorError, match="device"):
        async with asyncio.timeout(10):
            await bench.running
    rows = await bench.redis.call("XPENDING", INTERACTIVE, GROUP, "-", "+", 10)
    assert sorted(row[3] for row in rows) == [1, 1, 2]


@pytest.mark.parametrize("refusal", ["UNBLOCKED the stream key no longer exists"])
async def test_a_refusal_that_passes_ends_no_worker(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    """As a Redis before 7.2 says when data are flushed, or replicas change places."""
    first = bench.stages.consumer.first
    said: list[str] = []

    async def refused() -> list[Any]:
        if not said:
            said.append(refusal)
            raise ReplyError(refusal)
        return await first()

    monkeypatch.setattr(bench.stages.consumer, "first", refused)
    await asyncio.sleep(0.1)
    assert await bench.label(await bench.add(RED)) == "red"
    assert said


async def test_its_beat_says_what_it_has_done(bench: Bench) -> None:
    """Pictures by the batch they were run in, and those that were known."""
    for image, name in ((RED, "red"), (GREEN, "green"), (RED, "red")):
        assert await bench.label(await bench.add(image)) == name
    await bench.empty()

    async def told() -> bool:
        data = await bench.redis.call("GET", keys.worker("w"))
        worker = wire.read_worker(data)
        done = (worker.images, worker.batches, worker.cached)
        return done == (2, ((1, 2),), 1) and worker.state == "idle"

    await until(told)
    worker = wire.read_worker(await bench.redis.call("GET", keys.worker("w")))
    assert min(worker.decode_ms, worker.inference_ms) > 0
    assert dict(worker.points).keys() == {1, 2, 4}
