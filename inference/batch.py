"""One micro-batch on its way to the engine."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inference import metrics
from inference.entries import Entry
from inference.publisher import Ending


@dataclass
class Batch:
    """Entries on their way to the engine.

    Attributes:
        ended: those that need not be run.
        groups: entries with equal images, which are run once.
        pixels: uint8 [len(groups), height, width, 3], 0 to 255.
        thumbnails: a JPEG for each group, or nothing.
        waited_ms: for each entry, by its id, the time from XADD to the start of its decoding.
        decode_ms: the time from there to the end of decoding.
        decoded_at: when that was, by `time.perf_counter`.
    """

    ended: list[Ending]
    groups: list[list[Entry]]
    pixels: NDArray[np.uint8]
    thumbnails: list[bytes]
    waited_ms: dict[bytes, float]
    decode_ms: float
    decoded_at: float = field(default_factory=time.perf_counter)

    @property
    def entries(self) -> list[Entry]:
        """Those that are to be run."""
        return [entry for group in self.groups for entry in group]

    @property
    def size(self) -> int:
        """Entries, those included that need not be run."""
        return len(self.waited_ms)

    def keep(self, wanted: Callable[[Entry], bool]) -> bool:
        """Drops pictures that nobody wants any more, withdrawn meanwhile; whether any is left."""
        kept = [at for at, group in enumerate(self.groups) if any(map(wanted, group))]
        if len(kept) < len(self.groups):
            metrics.ENDED.labels("dropped").inc(len(self.groups) - len(kept))
            self.groups = [self.groups[at] for at in kept]
            self.thumbnails = [self.thumbnails[at] for at in kept]
            self.pixels = self.pixels[kept]
        return bool(kept)
