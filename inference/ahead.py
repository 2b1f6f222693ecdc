"""When the next batch is read: just in time to be decoded when the engine is free.

What a busy worker has read, no other can run. Read any sooner, a picture waits behind this engine while
another may have become idle; any later, the engine waits for it.
"""

import asyncio
import contextlib
import time
from typing import Final

from inference.batcher import Cost

READ_MS: Final = 2.0  # to read a batch and look its pictures up
SPARE: Final = 1.5  # times the expected time to decode; cores are shared


class Ahead:
    """Knows how long the engine will be busy, as it is expected."""

    def __init__(self, cost: Cost) -> None:
        self._cost = cost
        self._until = 0.0
        self._free = asyncio.Event()
        self._free.set()

    def begun(self, images: int) -> None:
        """The engine runs a batch."""
        self._until = time.perf_counter() + self._cost.of(images) / 1000
        self._free.clear()

    def ended(self) -> None:
        """It has ended, whatever was expected."""
        self._free.set()

    async def needed(self, images: int) -> None:
        """Returns when a batch of so many images must be read, or the engine is free."""
        lead_ms = READ_MS + SPARE * self._cost.decode_ms * images
        spare_s = self._until - time.perf_counter() - lead_ms / 1000
        if spare_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(spare_s):
                    await self._free.wait()
