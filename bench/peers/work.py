"""What every peer's server does with a picture: Pictor's own decoder and engine, in its own process.

The only module here, beside the servers, that the peers' interpreter runs.
"""

import tempfile
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
    """Tells `running` that one more engine is warm."""
    folder = job.path / READY
    folder.mkdir(exist_ok=True)
    tempfile.mkstemp(dir=folder)


class Decoder:
    """Bytes to pixels."""

    def __init__(self) -> None:
        self._settings = Settings.load(None)
        self._spec = reference.prepared(self._settings)

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """A picture as the network gets it: uint8 [height, width, 3], 0 to 255, RGB."""
        return reference.pixels(self._settings, self._spec, data)

    def best(self, row: NDArray[np.float32]) -> Answer:
        """The plain contract's answer for probabilities float32 [classes]."""
        best = int(row.argmax())
        label, score = self._spec.labels[best].label, round(float(row[best]), 4)
        return {"success": True, "prediction": label, "score": score}


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

    def infer(self, pixels: NDArray[np.uint8]) -> list[Answer]:
        """An answer for each picture of uint8 [N, height, width, 3], in order."""
        return [self.best(row) for row in self._engine.run(pixels)]

    def classify(self, pictures: Sequence[bytes]) -> list[Answer]:
        """An answer for each file, in order."""
        return self.infer(np.stack([self.decode(data) for data in pictures]))


class Predicting(Decoder):
    """Pixels to answers as most begin with Keras: ``predict`` for one picture."""

    def __init__(self) -> None:
        """Builds the model and has it predict once."""
        super().__init__()
        import tensorflow as tf

        job = Job.of_environment()
        tf.config.threading.set_intra_op_parallelism_threads(job.configuration.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self._model = self._spec.build()
        shape = (self._spec.preprocessing.height, self._spec.preprocessing.width, 3)
        self.predict(np.zeros(shape, np.uint8))
        say_ready(job)

    def predict(self, pixels: NDArray[np.uint8]) -> Answer:
        """The answer for uint8 [height, width, 3]."""
        return self.best(self._model.predict(pixels[None], verbose=0)[0])
