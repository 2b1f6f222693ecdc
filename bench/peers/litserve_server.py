"""LitServe: FastAPI processes that take the form, worker processes that decode and infer."""

from typing import Any

import litserve
import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from bench.peers.peer import Job
from bench.peers.work import Answer, Classifier

TIMEOUT_S = 60.0


class Pictures(litserve.LitAPI):
    """The form's field ``file``; LitServe itself stacks a batch's arrays and takes lists apart again."""

    def setup(self, device: str) -> None:
        self._classifier = Classifier()

    def decode_request(self, request: Request) -> NDArray[np.uint8]:
        form: Any = request  # LitServe has parsed it already
        return self._classifier.decode(form["file"].file.read())

    def predict(self, x: NDArray[np.uint8]) -> Answer | list[Answer]:
        if x.ndim == 4:
            return self._classifier.infer(x)
        return self._classifier.infer(x[None])[0]

    def encode_response(self, output: Answer) -> Answer:
        return output


def main() -> None:
    job = Job.of_environment()
    wanted = job.configuration
    api = Pictures(
        max_batch_size=wanted.batch,
        batch_timeout=wanted.wait_ms / 1000,
        api_path="/predict",
    )
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=wanted.processes,
        timeout=TIMEOUT_S,
        fast_queue=wanted.fast,
    )
    server.run(
        host="127.0.0.1",
        port=job.port,
        num_api_servers=wanted.fronts or None,
        log_level="warning",
        generate_client_file=False,
    )


if __name__ == "__main__":
    main()
