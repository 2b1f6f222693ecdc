"""What a worker has done since it started.

Pure: no clock, no Redis. `inference.batches` tells it of each batch, `inference.presence` reads it once
a second; who wants to know what happened in between takes the difference.
"""

from typing import Final

from common import wire

# A batch larger than this counts as the next multiple of STEP, so that a beat stays small.
EXACT: Final = 32
STEP: Final = 8


class Counts:
    """Cumulative; a worker that is started anew starts at nothing, under a new name.

    Attributes:
        images: that were run.
        cached: that were answered by content.
        queue_ms: the sum of what `wire.Timing` says of each image that was run.
        decode_ms: likewise.
        inference_ms: likewise.
    """

    def __init__(self) -> None:
        self.images = 0
        self.cached = 0
        self.queue_ms = 0.0
        self.decode_ms = 0.0
        self.inference_ms = 0.0
        self._batches: dict[int, int] = {}
        self._running = False
        self._seen = 0  # images and cached ones, when it was last asked for its state

    def begun(self) -> None:
        """The engine runs a batch."""
        self._running = True

    def ended(self) -> None:
        """It has ended, however it did."""
        self._running = False

    def ran(self, size: int) -> None:
        """A batch was run with so many pictures."""
        if size > EXACT:
            size = -(-size // STEP) * STEP
        self._batches[size] = self._batches.get(size, 0) + 1

    def answered(self, timing: wire.Timing) -> None:
        """An image was run, and this is where its time went."""
        self.images += 1
        self.queue_ms += timing.queue_ms
        self.decode_ms += timing.decode_ms
        self.inference_ms += timing.inference_ms

    def known(self, images: int) -> None:
        """So many were answered by content."""
        self.cached += images

    @property
    def batches(self) -> tuple[tuple[int, int], ...]:
        """Micro-batches by size: the size, and how many there were."""
        return tuple(sorted(self._batches.items()))

    def state(self) -> str:
        """``working`` where anything was done since this was asked last, or is being done."""
        done = self.images + self.cached
        busy = self._running or done != self._seen
        self._seen = done
        return "working" if busy else "idle"
