"""When the next batch is read: just in time to be decoded when the engine is free, or once it is.

What a busy worker has read, no other can run. Read any sooner, a picture waits behind this engine while
another may have become idle; any later, the engine waits for it.

Where the engines compute on every core, to decode meanwhile only takes from them what it takes, and both
take longer, in turns on a core (docs/performance.md). There the next batch is read just before the engine is
free, and decoded once it is.
"""

import asyncio
import contextlib
import time
from typing import Final

from inference.batcher import Cost

READ_MS: Final = 2.0  # to read a batch and look its pictures up
SPARE: Final = 1.5  # times the expected time to decode; cores are shared


class Ahead:
    """Knows how long the engine will be busy, as it is expected.

    Attributes:
        in_turns: engine and decoder take turns on a core.
    """

    def __init__(self, cost: Cost, *, beside: bool = True) -> None:
        """Nothing is under way.

        Args:
            cost: what batches cost.
            beside: there are cores to decode on while the engine runs.
        """
        self._cost = cost
        self.in_turns = not beside
        self._until = 0.0
        self._under_way = 0
        self._free = asyncio.Event()
        self._free.set()

    def handed(self, images: int) -> None:
        """A batch is on its way to the engine."""
        begins = max(self._until if self._under_way else 0.0, time.perf_counter())
        self._until = begins + self._cost.of(images) / 1000
        self._under_way += 1
        self._free.clear()

    def begun(self, images: int) -> None:
        """The engine runs a batch that was handed to it."""
        self._until = time.perf_counter() + self._cost.of(images) / 1000

    def ended(self) -> None:
        """A batch that was handed to it has ended, whatever was expected."""
        self._under_way -= 1
        if not self._under_way:
            self._free.set()

    async def needed(self, images: int) -> None:
        """Returns when a batch of so many images must be read, or the engine is free."""
        lead_ms = READ_MS
        if not self.in_turns:
            lead_ms += SPARE * self._cost.decode_ms * images
        spare_s = self._until - time.perf_counter() - lead_ms / 1000
        if spare_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(spare_s):
                    await self._free.wait()

    async def decodable(self) -> None:
        """Returns when a batch that was read may be decoded."""
        if self.in_turns:
            await self._free.wait()
