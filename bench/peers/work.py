"""What every peer's server does with a picture: Pictor's own decoder and engine, in its own process.

The only module here, beside the servers, that the peers' interpreter runs.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import reference
from bench.peers.peer import Job
from common.settings import Settings

Answer = dict[str, Any]
READY = "ready"  # the folder where each engine that can infer leaves a file


def say_ready(job: Job) -> None:
    """Tells `running` that this process has its engine warm."""
    folder = job.path / READY
    folder.mkdir(exist_ok=True)
    (folder / str(os.getpid())).touch()


class Decoder:
    """Bytes to pixels."""

    def __init__(self) -> None:
        self._settings = Settings.load(None)
        self._spec = reference.prepared(self._settings)

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """A picture as the network gets it: uint8 [height, width, 3], 0 to 255, RGB."""
        return reference.pixels(self._settings, self._spec, data)


class Classifier(Decoder):
    """Bytes, or pixels, to answers."""

    def __init__(self) -> None:
        """Opens the engine and runs every size of batch once, as the first of each costs more."""
        super().__init__()
        job = Job.of_environment()
        threads = job.configuration.threads
        self._engine = reference.engine(self._settings, self._spec, threads)
        shape = (self._spec.preprocessing.height, self._spec.preprocessing.width, 3)
        for size in range(job.configuration.batch, 0, -1):
            self._engine.run(np.zeros((size, *shape), np.uint8))
        say_ready(job)

    def infer(self, pixels: Sequence[NDArray[np.uint8]]) -> list[Answer]:
        """An answer for each picture, in order."""
        return [self.best(row) for row in self._engine.run(np.stack(pixels))]

    def classify(self, pictures: Sequence[bytes]) -> list[Answer]:
        """An answer for each file, in order."""
        return self.infer([self.decode(data) for data in pictures])

    def best(self, row: NDArray[np.float32]) -> Answer:
        """The plain contract's answer for probabilities float32 [classes]."""
        best = int(row.argmax())
        label, score = self._spec.labels[best].label, round(float(row[best]), 4)
        return {"success": True, "prediction": label, "score": score}
