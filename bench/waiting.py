"""Workers whose engine only waits, t(n) = fixed + image * n, as a GPU keeps its process waiting.

All else of a worker is the product's own (`inference.start`): what is measured with these is the path
around the engine, to many more workers than there are cores. Images are not opened; a row follows from
an image's first bytes, so that an answer which reached another's client is seen (`expected`).

``python -m bench.waiting worker N --fixed-ms 5 --image-ms 0.2`` is one such worker, with the settings of
its environment. 0 and 0 make the null engine.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import functools
import hashlib
import os
import sys
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.pictures import numbered
from common import process
from common.errors import StartError
from common.parent import end_with_parent
from common.settings import Settings
from common.supervisor import Child, End, Supervisor
from inference.decoder import Decoded
from inference.models import catalogue
from inference.models.preprocessing import Preprocessing
from inference.start import MOST_IMAGES, Parts, run_worker

HEAD_BYTES: Final = 64  # of an image; its number is within them
PIXELS: Final = Preprocessing(height=1, width=2)  # six bytes: room for a mark of four
MAX_BATCH: Final = MOST_IMAGES["tensorflow"]  # as on a GPU
STEPS: Final = 4096  # different scores, in 0.5 to 1
PAYLOAD_START: Final = b"\xff\xd8\xff\xfe\x00\x02"  # a JPEG, by its first bytes


def payload(size: int, number: int) -> bytes:
    """Bytes that count as a JPEG and differ from those of any other number.

    Args:
        size: bytes, at least 64.
        number: 0 to 2**64 - 1.
    """
    return numbered(_noise(size), number)


@functools.cache
def _noise(size: int) -> bytes:
    """Incompressible, as pictures are; shorter than `size` by what numbering adds."""
    added = len(numbered(PAYLOAD_START, 0))
    return PAYLOAD_START + os.urandom(size - added)


def mark(image: bytes | memoryview) -> int:
    """What an image is told from others by, 32 bits."""
    return zlib.crc32(image[:HEAD_BYTES])


def expected(image: bytes, classes: int) -> tuple[int, float]:
    """The place of an image's category and its score, as the waiting engine answers."""
    number, place = divmod(mark(image), classes)
    return place, 0.5 + number % STEPS / (2 * STEPS)


class WaitingEngine:
    """Waits, and answers by what `WaitingDecoder` wrote into the pixels."""

    name = "waiting"

    def __init__(self, classes: int, fixed_ms: float, image_ms: float) -> None:
        self.classes = classes
        self._fixed_s = fixed_ms / 1000
        self._image_s = image_ms / 1000

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Rows float32 [N, classes], after t(N); sleeping lets go of the interpreter lock."""
        started = time.perf_counter()
        rows = np.zeros((len(images), self.classes), np.float32)
        marks = images.reshape(len(images), -1)[:, :4].copy().view("<u4")[:, 0]
        numbers, places = np.divmod(marks, self.classes)
        rows[np.arange(len(images)), places] = 0.5 + numbers % STEPS / (2 * STEPS)
        wait_s = self._fixed_s + self._image_s * len(images)
        if (left_s := wait_s - (time.perf_counter() - started)) > 0:
            time.sleep(left_s)
        return rows

    def close(self) -> None:
        """There is nothing to free."""


class WaitingDecoder:
    """Opens nothing: an image's pixels are its mark."""

    def __init__(self) -> None:
        self.deaths = 0

    async def start(self) -> None:
        """There is nothing to start."""

    async def decode(
        self, images: Sequence[tuple[bytes | memoryview, int]]
    ) -> tuple[list[Decoded], NDArray[np.uint8]]:
        """Nothing is refused; pixels uint8 [N, 1, 2, 3]."""
        marks = np.array([mark(data) for data, _ in images], "<u4")
        flat = np.zeros((len(images), PIXELS.height * PIXELS.width * 3), np.uint8)
        flat[:, :4] = marks.view(np.uint8).reshape(len(images), 4)
        pixels = flat.reshape(len(images), PIXELS.height, PIXELS.width, 3)
        return [Decoded("", 0.0) for _ in images], pixels

    async def close(self) -> None:
        """There is nothing to end."""


def parts(
    settings: Settings, _threads: int, *, fixed_ms: float, image_ms: float
) -> Parts:
    """The model's labels, so that answers are as long as its own, and a digest of another."""
    spec = catalogue.resolve(settings.model, settings.data_path)
    other = hashlib.sha256(b"waiting " + spec.digest.encode()).hexdigest()
    spec = dataclasses.replace(
        spec, digest=other[: len(spec.digest)], preprocessing=PIXELS
    )
    engine = WaitingEngine(len(spec.labels), fixed_ms, image_ms)
    return Parts(spec, engine, WaitingDecoder(), settings.max_batch or MAX_BATCH)


@contextlib.asynccontextmanager
async def workers(
    settings: Settings,
    count: int,
    fixed_ms: float,
    image_ms: float,
    metrics: Path | None = None,
) -> AsyncIterator[list[int]]:
    """Runs so many workers until the context ends; yields their processes' ids once all are warm.

    Args:
        settings: of all of them.
        count: of workers.
        fixed_ms: of a batch.
        image_ms: of each image in it.
        metrics: a folder for what they count (`bench.meter.batches`); otherwise it is lost.

    Raises:
        StartError: one does not start, or ended unasked meanwhile.
    """
    supervisor = Supervisor()
    ends: list[End] = []
    cost = ("--fixed-ms", str(fixed_ms), "--image-ms", str(image_ms))
    with tempfile.TemporaryDirectory(prefix="pictor-bench-metrics-") as folder:
        counted = {"PROMETHEUS_MULTIPROC_DIR": str(metrics or folder)}
        environment = settings.environment() | counted
        children = [
            Child(
                f"waiting worker {number}",
                (sys.executable, "-m", "bench.waiting", "worker", str(number), *cost),
                environment,
                stop_s=settings.stop_s,
                ended=ends.append,
            )
            for number in range(1, count + 1)
        ]
        try:
            await asyncio.gather(*map(supervisor.start, children))
            yield list(supervisor.pids().values())
        finally:
            await supervisor.stop_together()
        if died := [end.child for end in ends if end.status is not None]:
            raise StartError(f"ended unasked: {', '.join(died)}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.waiting", description=__doc__)
    parser.add_argument("part", choices=("worker",))
    parser.add_argument("number", type=int)
    parser.add_argument("--fixed-ms", type=float, default=5.0, help="of a batch")
    parser.add_argument("--image-ms", type=float, default=0.2, help="of each image")
    options = parser.parse_args()
    end_with_parent()
    make = functools.partial(
        parts, fixed_ms=options.fixed_ms, image_ms=options.image_ms
    )
    return process.run(
        lambda: run_worker(Settings.load(), options.number, 1, make), fast=True
    )


if __name__ == "__main__":
    sys.exit(main())
