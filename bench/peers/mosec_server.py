"""mosec: a server in Rust, workers in Python that it hands the bodies to over a socket."""

import sys
from typing import Any

import numpy as np
from mosec import Server, Worker

from bench.peers.peer import Job
from bench.peers.work import Answer, Classifier, Decoder

TIMEOUT_MS = 60_000


class Body(Worker):
    """Takes the picture as the raw body."""

    def deserialize(self, data: bytes) -> bytes:
        return data


class Whole(Body):
    """Decodes and infers."""

    def __init__(self) -> None:
        super().__init__()
        self._classifier = Classifier()

    def forward(self, data: Any) -> Answer | list[Answer]:
        """With a list only where batches were asked for."""
        if isinstance(data, list):
            return self._classifier.classify(data)
        return self._classifier.classify([data])[0]


class Decoding(Body):
    """The first stage of two."""

    def __init__(self) -> None:
        super().__init__()
        self._decoder = Decoder()

    def forward(self, data: bytes) -> Any:
        return self._decoder.decode(data)


class Inferring(Worker):
    """The second."""

    def __init__(self) -> None:
        super().__init__()
        self._classifier = Classifier()

    def forward(self, data: Any) -> Answer | list[Answer]:
        if isinstance(data, list):
            return self._classifier.infer(np.stack(data))
        return self._classifier.infer(data[None])[0]


def main() -> None:
    job = Job.of_environment()
    wanted = job.configuration
    sys.argv[1:] = [
        *("--address", "127.0.0.1", "--port", str(job.port)),
        *("--path", str(job.path / "mosec"), "--timeout", str(TIMEOUT_MS)),
        *("--log-level", "warning"),
    ]
    server = Server()
    last: type[Worker] = Whole
    if wanted.decoders:
        server.append_worker(Decoding, num=wanted.decoders)
        last = Inferring
    server.append_worker(
        last,
        num=wanted.processes,
        max_batch_size=wanted.batch,
        max_wait_time=int(wanted.wait_ms),
    )
    server.run()


if __name__ == "__main__":
    main()
