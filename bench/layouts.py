"""How decoding and inference are laid out in one process of `bench.limit`."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bench import reference
from common.settings import Settings
from inference.decoder import Decoder
from inference.engine import Engine
from inference.models.spec import ModelSpec

# inline: decode, then infer, in one thread. thread: the next batch is decoded by a second thread
# meanwhile. process: by a child (`inference.decoder`). turns: by a child, and the engine waits for it, as
# workers do that have no cores to spare (`inference.ahead`).
Layout = Literal["inline", "thread", "process", "turns"]
LAYOUTS: Final[tuple[Layout, ...]] = get_args(Layout)
BATCHES: Final = (1, 2, 4, 8)


@dataclass(frozen=True)
class Way:
    """How the work is laid out."""

    layout: Layout
    batch: int

    def __str__(self) -> str:
        return f"{self.layout}, batches of {self.batch}"


class Runner:
    """One process's share: endless batches of the pictures, from a place of its own in their order."""

    def __init__(
        self, settings: Settings, images: Sequence[bytes], offset: int
    ) -> None:
        self._settings = settings
        self._images = images
        self._next = offset
        self._spec: ModelSpec = reference.prepared(settings)
        self._engine: Engine = reference.engine(settings, self._spec)
        for size in BATCHES:
            self._engine.run(self._decode(self._batch(size)))

    def run(self, way: Way, seconds: float) -> float:
        """Images a second."""
        if way.layout in {"process", "turns"}:
            turns = way.layout == "turns"
            return asyncio.run(self._with_child(way.batch, seconds, turns=turns))
        if way.layout == "thread":
            with ThreadPoolExecutor(1) as ahead:
                return self._overlapped(way.batch, seconds, ahead)
        return _rate(
            way.batch,
            seconds,
            lambda: self._engine.run(self._decode(self._batch(way.batch))),
        )

    def _batch(self, size: int) -> list[bytes]:
        count = len(self._images)
        self._next += size
        return [self._images[(self._next + n) % count] for n in range(size)]

    def _decode(self, batch: Sequence[bytes]) -> NDArray[np.uint8]:
        """Pixels uint8 [N, height, width, 3], 0 to 255."""
        return np.stack(
            [reference.pixels(self._settings, self._spec, data) for data in batch]
        )

    def _overlapped(
        self, size: int, seconds: float, ahead: ThreadPoolExecutor
    ) -> float:
        following = ahead.submit(self._decode, self._batch(size))

        def step() -> None:
            nonlocal following
            decoded = following.result()
            following = ahead.submit(self._decode, self._batch(size))
            self._engine.run(decoded)

        return _rate(size, seconds, step)

    async def _with_child(self, size: int, seconds: float, *, turns: bool) -> float:
        settings = self._settings
        decoder = Decoder(
            self._spec.preprocessing,
            size,
            settings.max_pixels,
            settings.max_upload_bytes,
        )
        await decoder.start()
        following = await self._decode_there(decoder, size)  # which waits for its start
        done, started = 0, time.perf_counter()
        with ThreadPoolExecutor(1) as thread:
            loop = asyncio.get_running_loop()
            while (elapsed := time.perf_counter() - started) < seconds:
                running = loop.run_in_executor(thread, self._engine.run, following)
                if turns:
                    await running
                following = await self._decode_there(decoder, size)
                await running
                done += size
        await decoder.close()
        return done / elapsed

    async def _decode_there(self, decoder: Decoder, size: int) -> NDArray[np.uint8]:
        _, decoded = await decoder.decode([(data, 0) for data in self._batch(size)])
        return decoded


def _rate(size: int, seconds: float, step: Callable[[], object]) -> float:
    done, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        step()
        done += size
    return done / elapsed
