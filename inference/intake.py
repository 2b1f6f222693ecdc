"""Which entries a worker takes next: reads what `inference.batcher` plans, and knows what waits."""

from collections.abc import Sequence
from typing import Final

from inference.batcher import Batcher, Plan, Queued
from inference.consumer import Consumer
from inference.entries import Entry
from inference.presence import Presence

NOTHING: Final = Plan(0, 0)


class Intake:
    """Reads for one worker.

    Attributes:
        left: entries that were read and have not begun, which come first.
    """

    def __init__(
        self, consumer: Consumer, batcher: Batcher, presence: Presence
    ) -> None:
        self._consumer, self._batcher, self._presence = consumer, batcher, presence
        self._seen = Queued(0, 0)  # at the last look
        self.left: list[Entry] = []

    def likely(self) -> int:
        """How many images the next batch will have, as far as is known; at least one."""
        return max(1, self._batcher.plan(self._seen).images)

    def may_wait(self, entries: Sequence[Entry]) -> bool:
        """Whether all of these are a collection's."""
        return self._bulk_among(entries) == len(entries)

    async def people(self, entries: list[Entry]) -> float:
        """Reads into `entries` what people have added lately; Redis' time in milliseconds."""
        now_ms = await self._take(Plan(1, 0), entries)
        if entries:
            queued = self._known(entries)
            if (more := self._batcher.plan(queued).interactive - len(entries)) > 0:
                now_ms = await self._take(Plan(more, 0), entries)
            self._batcher.took(Plan(len(entries), 0), queued)
        return now_ms

    async def look(self) -> float:
        """Looks what waits, and takes nothing; Redis' time in milliseconds."""
        return await self._take(NOTHING, [])

    async def batch(self, entries: list[Entry]) -> float:
        """Reads the next batch into `entries`; Redis' time then, in milliseconds.

        It is planned by what was left at the last look, so that a busy worker asks Redis once for it.
        """
        consumer, batcher = self._consumer, self._batcher
        entries += self.left
        waited, self.left = bool(self.left), []
        now_ms = 0.0
        queued = self._known(entries)
        if not queued.interactive and not queued.bulk:
            entries += await consumer.first()
            if not entries:
                return now_ms
            now_ms = await self._take(NOTHING, entries)  # what company it has
            queued = self._known(entries)
        plan = batcher.plan(queued)
        bulk = self._bulk_among(entries)
        interactive = len(entries) - bulk
        rest = Plan(max(0, plan.interactive - interactive), max(0, plan.bulk - bulk))
        if rest.bulk:  # people may have come since the last look
            rest = Plan(rest.images, rest.bulk)
        if rest.images or not now_ms:
            now_ms = await self._take(rest, entries)
        bulk = self._bulk_among(entries)
        end = batcher.max_batch  # two may come at once where one was waited for
        if not waited and not plan.interactive and bulk < len(entries):
            # Who has come meanwhile goes first; what waits for that goes with the next, whoever comes.
            lane = consumer.streams["bulk"]
            entries.sort(key=lambda one: one.stream == lane)
            end = min(end, len(entries) - bulk)
        self.left = entries[end:]
        del entries[end:]
        bulk = self._bulk_among(entries)
        batcher.took(Plan(len(entries) - bulk, bulk), queued)
        return now_ms

    async def _take(self, plan: Plan, entries: list[Entry]) -> float:
        """Takes what is planned and looks what is left; Redis' time in milliseconds."""
        workers = self._presence.workers
        self._seen, now_ms = await self._consumer.take(plan, entries, workers)
        return now_ms

    def _known(self, entries: Sequence[Entry]) -> Queued:
        """What there is to do, `entries` included."""
        there, bulk = self._seen, self._bulk_among(entries)
        interactive = there.interactive + len(entries) - bulk
        return Queued(interactive, there.bulk + bulk, there.workers)

    def _bulk_among(self, entries: Sequence[Entry]) -> int:
        bulk = self._consumer.streams["bulk"]
        return sum(one.stream == bulk for one in entries)
