"""Several decoders as one: where an engine is faster than one of them, as on a GPU.

A batch is spread evenly over them, in order; each has its own process and memory (`inference.decoder`), so
that one which an image ends costs the others nothing.
"""

import asyncio
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from inference.decoder import Decoded, Decoder
from inference.models.preprocessing import Preprocessing

MOST: Final = 8


class Decoders:
    """One or more decoders."""

    def __init__(self, decoders: Sequence[Decoder]) -> None:
        self._decoders = decoders

    @classmethod
    def of(
        cls,
        count: int,
        preprocessing: Preprocessing,
        max_batch: int,
        max_pixels: int,
        max_bytes: int,
    ) -> Self:
        """So many decoders, each for its share of a batch; the rest as for `Decoder`."""
        share = -(-max_batch // count)
        return cls(
            [Decoder(preprocessing, share, max_pixels, max_bytes) for _ in range(count)]
        )

    def __len__(self) -> int:
        return len(self._decoders)

    @property
    def deaths(self) -> int:
        """Processes that an image ended."""
        return sum(decoder.deaths for decoder in self._decoders)

    @property
    def pids(self) -> list[int | None]:
        """Of the processes that decode."""
        return [decoder.pid for decoder in self._decoders]

    async def start(self) -> None:
        """Starts them all; raises as `Decoder.start` does."""
        await asyncio.gather(*(decoder.start() for decoder in self._decoders))

    async def decode(
        self, images: Sequence[tuple[bytes | memoryview, int]]
    ) -> tuple[list[Decoded], NDArray[np.uint8]]:
        """Decodes a batch, as `Decoder.decode` does."""
        shares = spread(len(images), len(self._decoders))
        if len(shares) == 1:  # nothing to be put together
            return await self._decoders[0].decode(images)
        parts = await asyncio.gather(
            *(
                decoder.decode(images[share])
                for decoder, share in zip(self._decoders, shares, strict=False)
            )
        )
        results = [result for decoded, _ in parts for result in decoded]
        return results, np.concatenate([pixels for _, pixels in parts])

    async def close(self) -> None:
        """Ends all their processes."""
        await asyncio.gather(*(decoder.close() for decoder in self._decoders))


def spread(images: int, decoders: int) -> list[slice]:
    """Even shares of a batch, one after the other; as many as have something to do, at least one."""
    shares = max(1, min(images, decoders))
    sizes = [(images + n) // shares for n in range(shares)]
    return [slice(*ends) for ends in pairwise(accumulate(sizes, initial=0))]


def automatic(cores: int, workers: int, *, gpu: bool) -> int:
    """How many a worker has unless told: one beside a CPU's engine, which wants the cores itself."""
    return max(1, min(MOST, (cores - 1) // workers)) if gpu else 1
