"""Entries straight into a lane's stream, without HTTP: what workers and Redis can do by themselves."""

import asyncio
import os
from typing import Final

from bench.waiting import expected, payload
from common import keys, wire
from common.connections import Keeper
from common.keys import Lane
from common.link import Command
from common.settings import Settings

CHUNK: Final = 200  # entries in one write
EXPIRES_MS: Final = 600_000  # long enough to wait behind any backlog
LOOK_S: Final = 0.005  # between two looks at how many are left
SAMPLE: Final = 50  # of so many answers one is compared


class Feed:
    """Keeps so many entries in a lane, each with an image of its own.

    Attributes:
        added: entries, until now.
        wrong: answers that were not their image's, or none.
    """

    def __init__(
        self, link: Keeper, settings: Settings, lane: Lane, size: int, classes: int
    ) -> None:
        self._link = link
        self._size = size
        self._classes = classes
        self._stream = keys.requests(settings.model_name, lane)
        self._samples: dict[str, bytes] = {}
        self._holding: asyncio.Task[None] | None = None
        self._letting_go = False
        self._writing = asyncio.Lock()  # what is half there cannot be counted
        # No cache has seen what follows, nor another feed's.
        self._first = int.from_bytes(os.urandom(6), "big") * SAMPLE
        self.added = 0
        self.wrong = 0

    async def fill(self, level: int) -> None:
        """Adds entries until so many are there."""
        missing = level - await self._link.call("XLEN", self._stream)
        while missing > 0:
            count = min(missing, CHUNK)
            async with self._writing:
                await self._link.calls([self._entry() for _ in range(count)])
            missing -= count

    def _entry(self) -> Command:
        number = self._first + self.added
        self.added += 1
        image = payload(self._size, number)
        # Distinct, as the image is; nobody compares it with the image's own.
        digest = number.to_bytes(32, "big")
        header = wire.Request(wire.VERSION, wire.new_id(digest), digest, EXPIRES_MS)
        if number % SAMPLE == 0:
            self._samples[header.id] = image[:64]
        return ("XADD", self._stream, "*", "h", wire.encode(header), "img", image)

    def hold(self, level: int) -> None:
        """Keeps so many there from now on."""
        self._letting_go = False

        async def keep() -> None:
            while not self._letting_go:
                await self.fill(level)
                await asyncio.sleep(LOOK_S)

        self._holding = asyncio.create_task(keep())

    async def let_go(self) -> None:
        """Adds no more; raises what holding raised."""
        self._letting_go = True
        if self._holding is not None:
            await self._holding

    async def ended(self) -> int:
        """Entries that have ended until now."""
        async with self._writing:
            there: int = await self._link.call("XLEN", self._stream)
            return self.added - there

    async def compare(self) -> int:
        """Compares the sampled answers that are there; how many were compared."""
        ids = list(self._samples)
        found = await self._link.call("MGET", *map(keys.result, ids)) if ids else []
        compared = 0
        for request_id, told in zip(ids, found, strict=True):
            if told is None:  # it waits still, or its result has been forgotten
                continue
            image = self._samples.pop(request_id)
            compared += 1
            self.wrong += not self._right(wire.read_ended(told), image)
        return compared

    def _right(self, ended: wire.Ended, image: bytes) -> bool:
        _, score = expected(image, self._classes)
        return (
            isinstance(ended, wire.Success)
            and abs(ended.predictions[0].score - score) < 1e-6
        )
