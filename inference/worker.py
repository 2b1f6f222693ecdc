"""One worker: reads micro-batches, decodes the next while the last is inferred, publishes.

The stages are modules of their own (consumer → batcher → decoder → engine → publisher); this one
moves entries from each to the next and holds no state but what is under way. At most IN_HAND batches
are: one with the engine, one decoded ahead.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, Final

from common import keys, logs
from common.link import LinkLost, ReplyError
from inference import metrics
from inference.batch import Batch
from inference.batcher import AHEAD
from inference.consumer import BEAT_S
from inference.entries import Entry
from inference.intake import Intake
from inference.publisher import Ending
from inference.reclaim import Claimed, claim
from inference.stages import Stages
from inference.survival import survive

IN_HAND: Final = AHEAD
TIDY_BEATS: Final = 60

log = logs.get(__name__)


class Worker:
    """Moves entries from stage to stage until it is told to stop."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._slots = asyncio.Semaphore(IN_HAND)
        self._running: set[asyncio.Task[None]] = set()
        self._claimed: Claimed | None = None
        self._intake = Intake(stages.consumer, stages.batcher, stages.presence)
        self._preparing = False  # a batch that was read is being decoded
        self._broken: BaseException | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set, then finishes what it has and leaves the group.

        Whatever goes wrong that is neither Redis nor an image ends the worker: the next one starts
        clean and claims what was in hand.
        """
        beating = asyncio.create_task(self._beat())
        try:
            while not stop.is_set() or self._intake.left:
                if beating.done():
                    beating.result()
                if self._broken is not None:
                    raise self._broken
                await self._survive(self._next())
            await self._idle()
        finally:
            beating.cancel()
            self._stages.batches.close()
        # Without Redis, or what it held, there is nothing to leave.
        with contextlib.suppress(LinkLost, ReplyError):
            await self._stages.presence.leave()
            await self._stages.consumer.leave()

    async def _survive(self, step: Coroutine[Any, Any, None]) -> None:
        await survive(step, self._stages.consumer)

    async def _beat(self) -> None:
        cost = self._stages.batcher.cost
        for beat in itertools.count():
            await self._survive(self._stages.presence.beat())
            await self._survive(self._stages.consumer.beat())
            if beat % TIDY_BEATS == 0:
                await self._survive(self._stages.consumer.tidy())
            metrics.COST.labels("fixed").set(cost.fixed_ms / 1000)
            metrics.COST.labels("image").set(cost.image_ms / 1000)
            await asyncio.sleep(BEAT_S)

    async def _idle(self) -> None:
        """Returns when nothing is in hand."""
        while self._running:
            await asyncio.wait(self._running)

    async def _next(self) -> None:
        """Reads one batch, decodes it and hands it to the engine."""
        if self._stages.consumer.orphans and not self._intake.left:
            await self._idle()
            await self._take_over()
            return
        entries: list[Entry] = []
        try:
            async with self._slot():
                await self._stages.ahead.needed(self._intake.likely())
                now_ms = await self._intake.batch(entries)
                if not entries:
                    self._slots.release()
                    return
                self._preparing = True
                batch = await self._stages.batches.prepare(entries, now_ms)
                may_wait = batch.groups and self._intake.may_wait(entries)
                if self._stages.ahead.in_turns and may_wait:
                    await self._let_by(entries)
                self._begin(batch)
        except (LinkLost, ReplyError):
            # They are still ours, and the next turn starts with them.
            self._intake.left[:0] = entries
            raise
        finally:
            self._preparing = False

    async def _let_by(self, held: list[Entry]) -> None:
        """Has people who came while a collection's batch was decoded go before it.

        What is read is put before `held` until it has begun: the next turn starts with it, should this fail.
        """
        people: list[Entry] = []
        try:
            now_ms = await self._intake.people(people)
        finally:
            held[:0] = people
        if people:
            async with self._slot():
                batch = await self._stages.batches.prepare(people, now_ms)
                if batch.ended:  # told first by its task, which would then come second
                    await self._publish(batch.ended)
                    batch.ended = []
                del held[: len(people)]
                self._begin(batch)

    @contextlib.asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Waits for a slot; a batch that begins gives it back, or else what fails here."""
        await self._slots.acquire()
        try:
            yield
        except BaseException:
            self._slots.release()
            raise

    async def _take_over(self) -> None:
        """Runs entries of dead workers, each alone, until none is left."""
        stages = self._stages
        while True:
            if self._broken is not None:  # the rest is not to be counted as deaths
                raise self._broken
            # One that Redis kept us from running is taken up again, not claimed once more.
            self._claimed = self._claimed or await claim(stages.link, stages.consumer)
            if self._claimed is None:
                return
            await self._run_alone(self._claimed)
            self._claimed = None
            metrics.RECLAIMED.inc()

    async def _run_alone(self, claimed: Claimed) -> None:
        stages, entry = self._stages, claimed.entry
        if await stages.link.call("EXISTS", keys.result(entry.request.id)):
            await stages.publisher.acknowledge(entry)
        elif claimed.hopeless:
            log.error("given up on", id=entry.request.id, deliveries=claimed.deliveries)
            await self._publish([stages.results.failure(entry, "dead-letter")])
        else:
            async with self._slot():
                now_ms = await self._intake.look()
                self._begin(await stages.batches.prepare([entry], now_ms))
            await self._idle()

    def _begin(self, batch: Batch) -> None:
        """Starts a batch's task; it gives back the slot that was acquired for it."""
        self._stages.ahead.handed(len(batch.groups))
        task = asyncio.create_task(self._finish(batch))
        self._running.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._slots.release()
        if not task.cancelled():
            self._broken = self._broken or task.exception()

    async def _finish(self, batch: Batch) -> None:
        """Publishes what has ended already, infers the rest, publishes that."""
        stages = self._stages
        inferred: list[Ending] = []
        try:
            if batch.ended:
                await self._publish(batch.ended)
            if batch.groups:
                behind = stages.ahead.in_turns and self._intake.may_wait(batch.entries)
                inferred = await stages.batches.infer(
                    batch, stages.consumer.holds, behind=behind
                )
        finally:
            stages.ahead.ended()
        if inferred:
            await self._publish(inferred)
        more = self._preparing or len(self._running) > 1
        self._stages.pace.ended(batch.size, time.perf_counter(), more=more)
        self._stages.reporter.worked()

    async def _publish(self, endings: Sequence[Ending]) -> None:
        started = time.perf_counter()
        await self._stages.publisher.publish(endings)
        metrics.PUBLISH.observe(time.perf_counter() - started)
        for ending in endings:
            metrics.ENDED.labels(self._stages.results.kind(ending)).inc()
