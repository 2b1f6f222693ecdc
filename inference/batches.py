"""One micro-batch: entries in, endings out, in two steps so that the next overlaps with this one.

`prepare` sorts out what need not be run (expired, known already, refused by the decoder) and decodes
the rest; `infer` runs the engine.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from common import keys, logs, phash, wire
from common.connections import Keeper
from inference import metrics
from inference.ahead import Ahead
from inference.batch import Batch
from inference.batcher import Cost
from inference.counts import Counts
from inference.decoder import Decoded
from inference.engine import Engine
from inference.engine_threads import EngineThreads
from inference.entries import Entry, equal_together
from inference.publisher import Ending
from inference.results import Results

MOST_LOOP_MS: Final = (
    10.0  # after a long rest, what the loop did meanwhile is no batch's
)

log = logs.get(__name__)


class ImageDecoder(Protocol):
    """Opens image files; `inference.decoder` does so in a process of its own."""

    @property
    def deaths(self) -> int:
        """Processes that an image ended."""

    async def start(self) -> None:
        """Returns once it can decode."""

    async def decode(
        self, images: Sequence[tuple[bytes | memoryview, int]]
    ) -> tuple[list[Decoded], NDArray[np.uint8]]:
        """Decodes a batch.

        Args:
            images: image files, each with the longest side of the thumbnail wanted (0: none).

        Returns:
            What became of each, in order; and the pixels of those that were decoded, in order,
            uint8 [N, height, width, 3], 0 to 255.
        """

    async def close(self) -> None:
        """Ends what it started."""


class Batches:
    """Takes micro-batches through cache, decoder and engine."""

    def __init__(
        self,
        link: Keeper,
        decoder: ImageDecoder,
        engine: Engine,
        results: Results,
        cost: Cost,
        ahead: Ahead,
        counts: Counts,
    ) -> None:
        self._link = link
        self._decoder = decoder
        self._engine = engine
        self._results = results
        self._cost = cost
        self._ahead = ahead
        self._counts = counts
        self._threads = EngineThreads()
        self._loop_cpu_s = time.thread_time()
        # The engine takes batches in the order of their decoding.
        self._turn = asyncio.Lock()

    def close(self) -> None:
        """Ends the engine's threads."""
        self._threads.close()

    async def prepare(self, entries: Sequence[Entry], now_ms: float) -> Batch:
        """Decodes what must be run.

        Args:
            entries: of the batch.
            now_ms: Redis' time when they were read.

        Raises:
            LinkLost, ReplyError: the cache could not be read.
        """
        started = time.perf_counter()
        ended = self._results.expired(entries, now_ms)
        ended += await self._cached(_without(entries, ended))
        equal = equal_together(_without(entries, ended))
        images = [(group[0].image, group[0].request.thumbnail_px) for group in equal]
        deaths = self._decoder.deaths
        await self._ahead.decodable()
        decoding = time.perf_counter()
        decoded, pixels = await self._decoder.decode(images)
        if images:
            decoding_ms = (time.perf_counter() - decoding) * 1000
            self._cost.decoded(len(images), decoding_ms)
        metrics.DECODER_DEATHS.inc(self._decoder.deaths - deaths)
        groups, thumbnails = [], []
        for result, group in zip(decoded, equal, strict=True):
            if result.code:
                ended += [self._results.failure(entry, result.code) for entry in group]
            else:
                groups.append(group)
                thumbnails.append(result.thumbnail)
        decode_s = time.perf_counter() - decoding
        here_ms = (decoding - started) * 1000
        waited_ms = {
            one.id: max(0.0, now_ms - one.arrived_ms) + here_ms for one in entries
        }
        for one_ms in waited_ms.values():
            metrics.QUEUE_WAIT.observe(one_ms / 1000)
        metrics.DECODE.observe(decode_s)
        return Batch(ended, groups, pixels, thumbnails, waited_ms, decode_s * 1000)

    async def infer(
        self, batch: Batch, wanted: Callable[[Entry], bool], *, behind: bool = False
    ) -> list[Ending]:
        """Runs a batch's pictures, those still wanted; an ending for each entry, its own.

        With `behind`, whoever else wants the core has it first.
        """
        async with self._turn:
            if not batch.keep(wanted):
                return []
            started = time.perf_counter()
            self._ahead.begun(len(batch.groups))
            self._counts.begun()
            try:
                rows = await self._threads.run(self._rows, batch.pixels, behind=behind)
            finally:
                self._counts.ended()
        inference_ms = (time.perf_counter() - started) * 1000
        ahead_ms = (started - batch.decoded_at) * 1000
        self._cost.measured(len(rows), inference_ms)
        self._cost.beside(self._loop_ms())
        self._counts.ran(len(rows))
        metrics.BATCH_SIZE.observe(len(rows))
        metrics.INFERENCE.observe(inference_ms / 1000)
        endings = []
        for group, row, pixels, thumbnail in zip(
            batch.groups, rows, batch.pixels, batch.thumbnails, strict=True
        ):
            wanted_phash = any(entry.request.phash for entry in group)
            looks = phash.of_pixels(pixels) if wanted_phash else None
            for entry in group:
                waited_ms = batch.waited_ms[entry.id] + ahead_ms
                timing = wire.Timing(
                    waited_ms, batch.decode_ms, inference_ms, len(rows)
                )
                self._counts.answered(timing)
                endings.append(
                    self._results.success(entry, row, timing, thumbnail, looks)
                )
        return endings

    def _loop_ms(self) -> float:
        """What a batch costs beside the engine: this loop's processor time since the last one.

        Reads, decisions and writes are a batch's more than an image's; on a busy machine they
        take turns with the engine for the core, and are why larger batches pay.
        """
        now = time.thread_time()
        since, self._loop_cpu_s = now - self._loop_cpu_s, now
        return min(since * 1000, MOST_LOOP_MS)

    def _rows(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32] | None]:
        """Runs the engine, in its thread. Where a batch fails, each image is tried alone.

        An engine that fails on anything is broken: that raises, and ends the worker.
        """
        try:
            return list(self._engine.run(pixels))
        except (
            Exception
        ):  # whatever the network does, its other images are still wanted
            log.exception("the engine failed", images=len(pixels))
            if len(pixels) == 1:
                noise = np.random.default_rng(0).integers(
                    0, 256, pixels.shape, np.uint8
                )
                self._engine.run(noise)  # fails as well if it is not the image
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
        ended = self._results.cached(asking, found)
        self._counts.known(len(ended))
        return ended


def _without(entries: Sequence[Entry], endings: Sequence[Ending]) -> list[Entry]:
    gone = {ending.entry.id for ending in endings}
    return [entry for entry in entries if entry.id not in gone]
