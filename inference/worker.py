"""One worker: reads micro-batches, decodes the next while the last is inferred, publishes.

The stages are modules of their own (consumer → batcher → decoder → engine → publisher); this one
moves entries from each to the next and holds no state but what is under way. At most IN_HAND batches
are: one with the engine, one decoded ahead.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from common import keys, logs, wire
from common.connections import RECONNECT_S, Keeper
from common.link import LinkLost, ReplyError
from common.process import Reporter
from inference import metrics
from inference.batcher import Batcher, Plan, Queued
from inference.consumer import BEAT_S, Consumer, Entry
from inference.decoder import Decoder
from inference.engine import Engine
from inference.presence import Presence
from inference.publisher import Ending, Publisher
from inference.results import Results

IN_HAND: Final = 2

log = logs.get(__name__)


@dataclass
class Batch:
    """Entries on their way to the engine.

    Attributes:
        groups: entries with equal images and options, which are run once.
        pixels: uint8 [len(groups), height, width, 3], 0 to 255.
        thumbnails: a JPEG for each group, or nothing.
        waited_ms: for each entry, by its id, the time from XADD to the start of its decoding.
    """

    groups: list[list[Entry]]
    pixels: NDArray[np.uint8]
    thumbnails: list[bytes]
    waited_ms: dict[bytes, float]
    decode_ms: float
    decoded_at: float = field(default_factory=time.perf_counter)


class Worker:
    """Moves entries from stage to stage until it is told to stop."""

    def __init__(
        self,
        link: Keeper,
        consumer: Consumer,
        batcher: Batcher,
        decoder: Decoder,
        engine: Engine,
        publisher: Publisher,
        presence: Presence,
        results: Results,
        reporter: Reporter,
    ) -> None:
        self._link = link
        self._consumer = consumer
        self._batcher = batcher
        self._decoder = decoder
        self._engine = engine
        self._publisher = publisher
        self._presence = presence
        self._results = results
        self._reporter = reporter
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._slots = asyncio.Semaphore(IN_HAND)
        self._turn = (
            asyncio.Lock()
        )  # the engine takes batches in the order of their decoding
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set, then finishes what it has and leaves the group."""
        beating = asyncio.create_task(self._beat())
        try:
            while not stop.is_set():
                if beating.done():
                    beating.result()
                await self._survive(self._next())
            await self._idle()
        finally:
            beating.cancel()
            self._thread.shutdown()
        with contextlib.suppress(LinkLost):  # without Redis there is nothing to leave
            await self._presence.leave()
            await self._consumer.leave()

    async def _survive(self, step: "asyncio.Future[None] | object") -> None:
        """Awaits a step that needs Redis; when that is away, waits a little instead."""
        try:
            await step  # type: ignore[misc]
        except LinkLost as error:
            log.warning("Redis is away", reason=str(error))
            await asyncio.sleep(RECONNECT_S)
        except ReplyError as error:
            if error.kind != "NOGROUP":
                raise
            await self._survive(self._consumer.ensure_group())

    async def _beat(self) -> None:
        while True:
            await self._survive(self._presence.beat())
            await self._survive(self._consumer.beat())
            metrics.COST.labels("fixed").set(self._batcher.cost.fixed_ms / 1000)
            metrics.COST.labels("image").set(self._batcher.cost.image_ms / 1000)
            await asyncio.sleep(BEAT_S)

    async def _idle(self) -> None:
        """Returns when nothing is in hand."""
        while self._running:
            await asyncio.wait(self._running)

    async def _next(self) -> None:
        """Reads one batch, decodes it and hands it to the engine."""
        if self._consumer.orphans:
            await self._idle()
            await self._take_over()
            return
        await self._slots.acquire()
        try:
            entries, now_ms = await self._read()
            await self._consumer.bury()
            if entries:
                await self._begin(entries, now_ms)
        except BaseException:
            self._slots.release()
            raise
        if not entries:
            self._slots.release()

    async def _read(self) -> tuple[list[Entry], float]:
        """The next batch, and Redis' time at which it was planned."""
        first = await self._consumer.first()
        if not first:
            return [], 0.0
        there, now_ms = await self._consumer.queued(self._presence.workers)
        bulk = sum(entry.stream == self._consumer.streams["bulk"] for entry in first)
        interactive = len(first) - bulk
        queued = Queued(
            there.interactive + interactive, there.bulk + bulk, there.workers
        )
        plan = self._batcher.plan(queued)
        rest = Plan(max(0, plan.interactive - interactive), max(0, plan.bulk - bulk))
        more = await self._consumer.more(rest)
        self._batcher.took(plan, queued)
        return [*first, *more], now_ms

    async def _take_over(self) -> None:
        """Runs entries of dead workers, each alone, until none is left."""
        while (claimed := await self._consumer.claim()) is not None:
            metrics.RECLAIMED.inc()
            if claimed.ended:
                await self._publisher.acknowledge([claimed.entry])
            elif claimed.hopeless:
                log.error(
                    "given up on",
                    id=claimed.entry.request.id,
                    deliveries=claimed.deliveries,
                )
                await self._publish(
                    [self._results.failure(claimed.entry, "dead-letter")]
                )
            else:
                await self._slots.acquire()
                _, now_ms = await self._consumer.queued(1)
                await self._begin([claimed.entry], now_ms)
                await self._idle()

    async def _begin(self, entries: Sequence[Entry], now_ms: float) -> None:
        """Decodes a batch and starts its task, which gives the slot back."""
        started = time.perf_counter()
        endings = self._results.expired(entries, now_ms)
        endings += await self._cached(self._without(entries, endings))
        groups = group(self._without(entries, endings))
        images = [
            (entries[0].image, entries[0].request.thumbnail_px) for entries in groups
        ]
        deaths = self._decoder.deaths
        decoded, pixels = await self._decoder.decode(images)
        metrics.DECODER_DEATHS.inc(self._decoder.deaths - deaths)
        good, thumbnails = [], []
        for result, equal in zip(decoded, groups, strict=True):
            if result.code:
                endings += [
                    self._results.failure(entry, result.code) for entry in equal
                ]
            else:
                good.append(equal)
                thumbnails.append(result.thumbnail)
        decode_ms = (time.perf_counter() - started) * 1000
        waited = {entry.id: max(0.0, now_ms - entry.arrived_ms) for entry in entries}
        for wait_ms in waited.values():
            metrics.QUEUE_WAIT.observe(wait_ms / 1000)
        if images:
            metrics.DECODE.observe(decode_ms / 1000)
        batch = Batch(good, pixels, thumbnails, waited, decode_ms)
        task = asyncio.create_task(self._finish(batch, endings))
        self._running.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a batch failed", exc_info=error)
            raise error

    async def _finish(self, batch: Batch, endings: list[Ending]) -> None:
        """Publishes what has ended already, infers the rest, publishes that."""
        if endings:
            await self._publish(endings)
        if batch.groups:
            await self._publish(await self._infer(batch))
        self._reporter.worked()

    async def _infer(self, batch: Batch) -> list[Ending]:
        async with self._turn:
            started = time.perf_counter()
            rows = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._rows, batch.pixels
            )
        inference_ms = (time.perf_counter() - started) * 1000
        ahead_ms = (started - batch.decoded_at) * 1000
        self._batcher.cost.measured(len(rows), inference_ms)
        metrics.BATCH_SIZE.observe(len(rows))
        metrics.INFERENCE.observe(inference_ms / 1000)
        endings = []
        for equal, row, thumbnail in zip(
            batch.groups, rows, batch.thumbnails, strict=True
        ):
            for entry in equal:
                timing = wire.Timing(
                    batch.waited_ms[entry.id] + ahead_ms,
                    batch.decode_ms,
                    inference_ms,
                    len(rows),
                )
                endings.append(self._results.success(entry, row, timing, thumbnail))
        return endings

    def _rows(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32] | None]:
        """Runs the engine (in its thread). Where a batch fails, each image is tried alone."""
        try:
            return list(self._engine.run(pixels))
        except Exception:
            log.exception("the engine failed", images=len(pixels))
            if len(pixels) == 1:
                return [None]
            return [row for image in pixels for row in self._rows(image[None])]

    async def _cached(self, entries: Sequence[Entry]) -> list[Ending]:
        """Answers known already, looked up once for the batch."""
        asking = [entry for entry in entries if self._results.may_be_cached(entry)]
        if not asking:
            return []
        digest = self._results.model_digest
        found = await self._link.call(
            "MGET", *(keys.cache(digest, entry.request.digest) for entry in asking)
        )
        return self._results.cached(asking, found)

    async def _publish(self, endings: list[Ending]) -> None:
        started = time.perf_counter()
        await self._publisher.publish(endings)
        metrics.PUBLISH.observe(time.perf_counter() - started)
        for ending in endings:
            metrics.ENDED.labels(self._results.kind(ending)).inc()

    @staticmethod
    def _without(entries: Sequence[Entry], endings: Sequence[Ending]) -> list[Entry]:
        gone = {ending.entry.id for ending in endings}
        return [entry for entry in entries if entry.id not in gone]


def group(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries with the same image and the same thumbnail together, in order of appearance."""
    groups: dict[tuple[bytes, int], list[Entry]] = {}
    for entry in entries:
        groups.setdefault(
            (entry.request.digest, entry.request.thumbnail_px), []
        ).append(entry)
    return list(groups.values())
